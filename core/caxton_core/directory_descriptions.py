"""Descriptions in the directory: of agents, of services, of the platform (FIPA SC00023).

Rules:
- Names of agents are full addresses in lower case; the empty text stands for a parameter that was not given.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from caxton_core.resources import ServiceDescription

SETS: Final = ("protocols", "ontologies", "languages")
"""What both an agent and each of its services have sets of."""


class Property(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A named value of a service."""

    name: str
    value: str = ""


class Service(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One service; in a template each parameter may be left out."""

    name: str = ""
    type: str = ""
    ownership: str = ""
    protocols: tuple[str, ...] = ()
    ontologies: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    properties: tuple[Property, ...] = ()


class DfAgent(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What the DF says of an agent; `lease` is when that ends (epoch ms), None for never."""

    name: str = ""
    services: tuple[Service, ...] = ()
    protocols: tuple[str, ...] = ()
    ontologies: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    lease: int | None = None


class AmsAgent(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What the AMS says of an agent."""

    name: str = ""
    state: str = ""
    ownership: str = ""


class PlatformService(msgspec.Struct, frozen=True):
    """A service of the platform, as `get-description` tells of it."""

    name: str
    type: str
    addresses: tuple[str, ...] = ()


def complete(name: str, platform: str) -> str:
    """Return the full address in lower case.

    >>> complete("Pricer", "caxton"), complete("a@far", "caxton")
    ('pricer@caxton', 'a@far')
    """
    lower = name.lower()
    return lower if "@" in lower else f"{lower}@{platform}"


def of_manifest(address: str, services: Iterable[ServiceDescription]) -> DfAgent | None:
    """Describe an agent by what its manifest offers; None when that is nothing.

    >>> of_manifest("p@caxton", [ServiceDescription("pricing", "", ("fipa-request",))]).services[0].name
    'pricing'
    """
    offered = tuple(
        [Service(each.name or each.type, each.type, "", each.protocols) for each in services]
    )
    protocols = tuple(dict.fromkeys(name for each in offered for name in each.protocols))
    return DfAgent(address, offered, protocols) if offered else None
