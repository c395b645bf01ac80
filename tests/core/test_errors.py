"""Errors: a code for programs, a sentence for people, and a place in the error model."""

from __future__ import annotations

import re
from typing import Any, get_args

import msgspec
import pytest
from caxton_core import errors
from caxton_core.errors import CaxtonError, FieldError, Problem, StorageFault, StorageUnavailable

# Core's own: other packages have theirs, which are here when their tests were imported before.
PROBLEMS: list[Any] = sorted(
    (kind for kind in Problem.__subclasses__() if kind.__module__.startswith("caxton_core.")),
    key=lambda kind: kind.__name__,
)

# The codes of docs/rest.md.
CODES = {
    "agent_not_found",
    "agent_exists",
    "invalid_transition",
    "invalid_message",
    "invalid_manifest",
    "invalid_module",
    "unknown_protocol",
    "mailbox_full",
    "conversation_not_found",
    "not_authorized",
    "forbidden",
    "rate_limited",
    "storage_unavailable",
    "timeout",
    "start_failed",
    "limit_exceeded",
    "not_admitted",
    "not_implemented",
    "payload_too_large",
    "not_found",
    "conflict",
}
SAMPLES: dict[str, Any] = {
    "str": "x",
    "int": 5,
    "int | None": 5,
    "float": 1.5,
    "tuple[str, ...]": ("a", "b"),
    "tuple[FieldError, ...]": (FieldError("/name", "it is missing", "nom"),),
}


def sample(kind: type[Problem]) -> Problem:
    """Return an error of this type with something in every field."""
    return kind(
        **{
            field.name: SAMPLES[kind.__annotations__[field.name]]
            for field in msgspec.structs.fields(kind)
        }
    )


def test_every_code_of_the_contract_has_an_error() -> None:
    """Each code that the API promises belongs to at least one error."""
    assert {kind.code for kind in PROBLEMS} >= CODES


@pytest.mark.parametrize("kind", PROBLEMS)
def test_an_error_is_one_sentence(kind: type[Problem]) -> None:
    """Every error reads as one sentence, has a code, can be compared and hashed, and can't be changed."""
    error = sample(kind)
    assert re.fullmatch(r"\S.*\S", str(error))
    assert "{" not in str(error)
    assert re.fullmatch(r"[a-z_]+", kind.code)
    assert {error: 1}[sample(kind)] == 1
    field = kind.__struct_fields__[0]
    with pytest.raises(AttributeError):
        setattr(error, field, None)


@pytest.mark.parametrize("kind", PROBLEMS)
def test_an_error_can_be_stored(kind: type[Problem]) -> None:
    """An error encodes with its name as tag, and the whole model decodes it again."""
    error = sample(kind)
    stored = msgspec.json.encode(error)
    assert msgspec.json.decode(stored)["type"] == kind.__name__
    assert msgspec.json.decode(stored, type=CaxtonError) == error


def test_the_model_holds_every_error() -> None:
    """No error stands outside the union of all, and each domain has its union."""
    assert set(get_args(CaxtonError)) == set(PROBLEMS)
    domains = (
        "Agent",
        "Routing",
        "Deployment",
        "Resource",
        "Security",
        "Configuration",
        "Observability",
    )
    for domain in domains:
        union = getattr(errors, f"{domain}Error")
        assert set(get_args(union) or (union,)) <= set(PROBLEMS)


def test_a_field_error_suggests_the_nearest_key() -> None:
    """The hint stands behind the place and the fault."""
    assert (
        str(FieldError("/nane", "unknown key", "name"))
        == "/nane: unknown key; did you mean 'name'?"
    )
    assert str(FieldError("", "expected a mapping")) == "document: expected a mapping"


def test_a_storage_fault_carries_its_error() -> None:
    """The one exception gives back the error it was made of."""
    error = StorageUnavailable("gone")
    fault = StorageFault(error)
    assert (fault.error, str(fault)) == (error, "Storage unavailable: gone.")


def test_text_with_braces_is_not_a_template() -> None:
    """What an error quotes is never filled in."""
    assert str(StorageUnavailable("{detail} {0}")) == "Storage unavailable: {detail} {0}."
