"""Descriptions written as terms, for the contents of answers (FIPA SC00023)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from caxton_core.directory_descriptions import SETS, AmsAgent, DfAgent, PlatformService, Service
from caxton_core.directory_terms import Term, atom
from caxton_core.directory_times import format_fipa_time


def name_term(address: str) -> Term:
    """Return an agent-identifier."""
    return ("agent-identifier", ":name", atom(address))


def _set(values: Iterable[str]) -> Term:
    return ("set", *[atom(value) for value in values])


def _sets(described: DfAgent | Service) -> list[Term]:
    terms: list[Term] = []
    for name in SETS:
        values = getattr(described, name)
        if values:
            terms += [f":{name}", _set(values)]
    return terms


def service_term(service: Service) -> Term:
    """Return a service-description."""
    terms: list[Term] = ["service-description"]
    for name in ("name", "type", "ownership"):
        if value := getattr(service, name):
            terms += [f":{name}", atom(value)]
    terms += _sets(service)
    if service.properties:
        # A canonical text is a term as it is written.
        each: list[Term] = [
            ("property", ":name", atom(item.name), *((":value", item.value) if item.value else ()))
            for item in service.properties
        ]
        terms += [":properties", ("set", *each)]
    return tuple(terms)


def df_agent_term(agent: DfAgent) -> Term:
    """Return a df-agent-description."""
    terms: list[Term] = ["df-agent-description"]
    if agent.name:
        terms += [":name", name_term(agent.name)]
    terms += _sets(agent)
    if agent.services:
        terms += [":services", ("set", *[service_term(service) for service in agent.services])]
    if agent.lease is not None:
        terms += [":lease-time", format_fipa_time(agent.lease)]
    return tuple(terms)


def ams_agent_term(agent: AmsAgent) -> Term:
    """Return an ams-agent-description."""
    terms: list[Term] = ["ams-agent-description"]
    if agent.name:
        terms += [":name", name_term(agent.name)]
    if agent.ownership:
        terms += [":ownership", atom(agent.ownership)]
    if agent.state:
        terms += [":state", agent.state]
    return tuple(terms)


def platform_term(platform: str, services: Sequence[PlatformService]) -> Term:
    """Return the description of the platform."""
    each: list[Term] = []
    for service in services:
        term: tuple[Term, ...] = (
            "ap-service", ":name", atom(service.name), ":type", atom(service.type),
            ":addresses", ("sequence", *[atom(address) for address in service.addresses]),
        )  # fmt: skip
        each.append(term)
    return ("ap-description", ":name", atom(platform), ":ap-services", ("set", *each))
