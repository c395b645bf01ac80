"""Descriptions read from the terms of a message (FIPA SC00023).

Rules:
- A value is what a word or a string says; of a list (only properties have one) it is the text of its term.
- Reading finds the first parameter that is missing, unexpected or has a value nobody can use, and says which.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

import msgspec
from returns.result import Failure, Result, Success

from caxton_core.directory_descriptions import (
    SETS,
    AmsAgent,
    DfAgent,
    Property,
    Service,
    complete,
)
from caxton_core.directory_reasons import Reason
from caxton_core.directory_terms import Term, atom, canonical, keyword, value_of
from caxton_core.directory_times import parse_fipa_time

MOST: Final = 32
"""Services of one agent, and members of any other set in a description that comes by message."""
AMS_STATES: Final = ("initiated", "active", "suspended", "waiting", "transit")
T = TypeVar("T")


class Constraints(msgspec.Struct, frozen=True, gc=False):
    """How far a search goes; negative numbers are no limit."""

    max_results: int = 1
    max_depth: int = 0
    search_id: str = ""


class _Wrong(Exception):
    """Ends the reading of a description; never leaves this module."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.name)
        self.reason = reason


class Reading(msgspec.Struct, frozen=True):
    """What reading a description needs to know; `strict` where services must have a name and a type."""

    platform: str
    now: int
    strict: bool = False


def _unusable(parameter: str, term: Term) -> _Wrong:
    return _Wrong(Reason("unrecognised-parameter-value", (parameter, term)))


def _parameters(term: Term, kind: str, known: tuple[str, ...]) -> dict[str, Term]:
    """Return the parameters of an object by name."""
    if type(term) is not tuple or not term or str(term[0]).lower() != kind:
        raise _unusable(kind, term)
    found: dict[str, Term] = {}
    for position in range(1, len(term), 2):
        name = keyword(term[position])
        if name is None:
            raise _unusable(kind, term[position])
        free = kind == "agent-identifier" and name.startswith("x-")
        if (name not in known and not free) or name in found:
            raise _Wrong(Reason("unexpected-parameter", (kind, atom(name))))
        if position + 1 == len(term):
            raise _Wrong(Reason("missing-parameter", (kind, atom(name))))
        found[name] = term[position + 1]
    return found


def _obligatory(found: dict[str, str], kind: str, *names: str) -> None:
    for name in names:
        if not found.get(name):
            raise _Wrong(Reason("missing-parameter", (kind, name)))


def _value(parameter: str, term: Term) -> str:
    value = value_of(term)
    if value is None:
        raise _unusable(parameter, term)
    return value


def _members(parameter: str, term: Term, read: Callable[[Term], T]) -> tuple[T, ...]:
    """Read a set; a sequence is as good."""
    if type(term) is not tuple or not term or str(term[0]).lower() not in ("set", "sequence"):
        raise _unusable(parameter, term)
    if len(term) > MOST + 1:
        raise _Wrong(Reason("unrecognised-parameter-value", (parameter, f"more-than-{MOST}")))
    return tuple(dict.fromkeys([read(item) for item in term[1:]]))


def _texts(parameter: str, term: Term) -> tuple[str, ...]:
    return _members(parameter, term, lambda item: _value(parameter, item))


def _agent_name(term: Term, reading: Reading) -> str:
    known = ("name", "addresses", "resolvers")
    found = _parameters(term, "agent-identifier", known)
    names = {"name": _value("name", found["name"])} if "name" in found else {}
    _obligatory(names, "agent-identifier", "name")
    return complete(names["name"], reading.platform)


def _property(term: Term) -> Property:
    found = _parameters(term, "property", ("name", "value"))
    names = {"name": _value("name", found["name"])} if "name" in found else {}
    _obligatory(names, "property", "name")
    return Property(names["name"], canonical(found["value"]) if "value" in found else "")


def _each_set(found: dict[str, Term]) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Read protocols, ontologies and languages."""
    protocols, ontologies, languages = (
        _texts(name, found[name]) if name in found else () for name in SETS
    )
    return protocols, ontologies, languages


def _service(term: Term, reading: Reading) -> Service:
    kind = "service-description"
    found = _parameters(term, kind, ("name", "type", "ownership", *SETS, "properties"))
    plain: dict[str, str] = {}
    for name in ("name", "type", "ownership"):
        if name in found:
            plain[name] = _value(name, found[name])
    if reading.strict:
        _obligatory(plain, kind, "name", "type")
    properties: tuple[Property, ...] = ()
    if "properties" in found:
        properties = _members("properties", found["properties"], _property)
    return Service(
        plain.get("name", ""), plain.get("type", ""), plain.get("ownership", ""), *_each_set(found), properties,
    )  # fmt: skip


def _df_agent(term: Term, reading: Reading) -> DfAgent:
    kind = "df-agent-description"
    found = _parameters(term, kind, ("name", "services", *SETS, "lease-time"))
    names = {"name": _agent_name(found["name"], reading)} if "name" in found else {}
    if reading.strict:
        _obligatory(names, kind, "name")
    services: tuple[Service, ...] = ()
    if "services" in found:
        services = _members("services", found["services"], lambda item: _service(item, reading))
    protocols, ontologies, languages = _each_set(found)
    lease: int | None = None
    if "lease-time" in found:
        written = _value("lease-time", found["lease-time"])
        lease = parse_fipa_time(written, now_ms=reading.now)
        if lease is None or (reading.strict and lease <= reading.now):
            raise _unusable("lease-time", found["lease-time"])
    return DfAgent(names.get("name", ""), services, protocols, ontologies, languages, lease)


def _ams_agent(term: Term, reading: Reading) -> AmsAgent:
    kind = "ams-agent-description"
    found = _parameters(term, kind, ("name", "state", "ownership"))
    plain: dict[str, str] = {}
    if "name" in found:
        plain["name"] = _agent_name(found["name"], reading)
    for name in ("state", "ownership"):
        if name in found:
            plain[name] = _value(name, found[name])
    if reading.strict:
        _obligatory(plain, kind, "name", "state")
    if plain.get("state"):
        plain["state"] = plain["state"].lower()
        if plain["state"] not in AMS_STATES:
            raise _unusable("state", found["state"])
    return AmsAgent(**plain)


def _whole_number(parameter: str, term: Term) -> int:
    text = _value(parameter, term)
    digits = text[1:] if text[:1] in ("+", "-") else text
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 18):
        raise _unusable(parameter, term)
    return int(text)


def _constraints(term: Term) -> Constraints:
    kind = "search-constraints"
    found = _parameters(term, kind, ("max-results", "max-depth", "search-id"))
    numbers = {
        name.replace("-", "_"): _whole_number(name, found[name])
        for name in ("max-results", "max-depth")
        if name in found
    }
    id_ = _value("search-id", found["search-id"]) if "search-id" in found else ""
    return Constraints(**numbers, search_id=id_)


def _read(read: Callable[[], T]) -> Result[T, Reason]:
    try:
        return Success(read())
    except _Wrong as wrong:
        return Failure(wrong.reason)


def read_df_agent(term: Term, reading: Reading) -> Result[DfAgent, Reason]:
    """Read a df-agent-description."""
    return _read(lambda: _df_agent(term, reading))


def read_ams_agent(term: Term, reading: Reading) -> Result[AmsAgent, Reason]:
    """Read an ams-agent-description."""
    return _read(lambda: _ams_agent(term, reading))


def read_constraints(term: Term) -> Result[Constraints, Reason]:
    """Read search-constraints."""
    return _read(lambda: _constraints(term))


def read_name(term: Term, platform: str) -> Result[str, Reason]:
    """Read an agent-identifier as the address it names."""
    return _read(lambda: _agent_name(term, Reading(platform, 0)))
