"""Manifests: the defaults of the contract, and every error in one go."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from caxton_core.documents import nearest
from caxton_core.errors import FieldError, InvalidManifest
from caxton_core.ids import ModuleDigest
from caxton_core.resources import Limits, Manifest, RestartPolicy, ServiceDescription, may_send
from hypothesis import given
from hypothesis import strategies as st
from returns.result import Failure, Success

# The example of docs/manifests.md, as a YAML loader gives it.
EXAMPLE: dict[str, Any] = {
    "name": "pricer",
    "version": "1.2.0",
    "module": "pricer.wasm",
    "profile": "strict",
    "codec": "json",
    "limits": {
        "memory": "16MiB",
        "cpu_ms": 50,
        "time_ms": 1000,
        "message_size": "256KiB",
        "state": "1MiB",
        "mailbox": 1000,
        "fan_out": 100,
        "conversations": 1000,
    },
    "restart": {"policy": "permanent", "max_restarts": 5, "within_s": 60},
    "deliveries": 1,
    "services": [{"type": "pricing", "name": "spot", "protocols": ["fipa-contract-net"]}],
    "send_to": ["*"],
    "tools": [],
    "config": {"margin": 0.1},
}


def errors(document: object) -> tuple[FieldError, ...]:
    """Return what is wrong with a document."""
    error = Manifest.parse(document).failure()
    assert isinstance(error, InvalidManifest)
    return error.errors


def test_the_contracts_example_is_a_manifest() -> None:
    """Every key of the contract's example is taken, and its values are the defaults."""
    manifest = Manifest.parse(EXAMPLE).unwrap()
    assert manifest == Manifest(
        name=manifest.name,
        version="1.2.0",
        module="pricer.wasm",
        services=(ServiceDescription("pricing", "spot", ("fipa-contract-net",)),),
        config={"margin": 0.1},
    )
    assert set(EXAMPLE) == set(Manifest.__struct_fields__)
    added = {"messages_per_s", "log_per_s"}
    assert set(EXAMPLE["limits"]) == set(Limits.__struct_fields__) - added


def test_a_name_is_enough() -> None:
    """Everything but the name has a default."""
    manifest = Manifest.parse({"name": "pricer"}).unwrap()
    assert (manifest.limits, manifest.restart, manifest.send_to) == (
        Limits(),
        RestartPolicy(),
        ("*",),
    )
    assert (manifest.profile, manifest.codec, manifest.deliveries, manifest.tools) == (
        "strict",
        "json",
        1,
        (),
    )


def test_the_nodes_own_limits_are_the_defaults_where_given() -> None:
    """What a manifest does not say about limits, the node's configuration does."""
    manifest = Manifest.parse(
        {"name": "p", "limits": {"mailbox": 7}}, defaults=Limits(fan_out=3)
    ).unwrap()
    assert manifest.limits == Limits(mailbox=7, fan_out=3)


def test_a_manifest_survives_both_codecs() -> None:
    """What was parsed can be stored and read back as it is."""
    manifest = Manifest.parse(EXAMPLE).unwrap()
    for codec in (msgspec.json, msgspec.msgpack):
        assert codec.decode(codec.encode(manifest), type=Manifest) == manifest


def test_json_is_parsed_too() -> None:
    """Bytes of JSON are the same document; other bytes are an error."""
    assert Manifest.parse_json(msgspec.json.encode(EXAMPLE)) == Manifest.parse(EXAMPLE)
    assert "it is not JSON" in str(Manifest.parse_json(b"name: pricer").failure())
    assert "it is not JSON" in str(Manifest.parse_json(b'{"name":' + b"[" * 100_000).failure())


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"name": "p", "qqqq": 1}, FieldError("/qqqq", "unknown key", "")),
        ({"name": "p", "limit": {}}, FieldError("/limit", "unknown key", "limits")),
        ({"name": "p", "limits": {"memroy": 1}}, FieldError("/limits/memroy", "unknown key", "memory")),
        ({"name": "p", "restart": {"polcy": "x"}}, FieldError("/restart/polcy", "unknown key", "policy")),
        (
            {"name": "p", "services": [{"type": "t", "protocol": []}]},
            FieldError("/services/0/protocol", "unknown key", "protocols"),
        ),
        ({"name": "p", "a/b~c": 1}, FieldError("/a~1b~0c", "unknown key", "")),
        ({"name": "p", 5: 1}, FieldError("/5", "unknown key", "")),
        ({}, FieldError("/name", "it is missing")),
        ({"name": "p", "services": [{"name": "s"}]}, FieldError("/services/0/type", "it is missing")),
        ([], FieldError("", "expected a mapping, got a list")),
        (None, FieldError("", "expected a mapping, got nothing")),
        ({"name": 5}, FieldError("/name", "expected text, got a number; put it in quotes")),
        (
            {"name": "p", "version": 1.2},
            FieldError("/version", "expected text, got a number; put it in quotes"),
        ),
        ({"name": "p", "codec": "jsn"}, FieldError("/codec", "expected one of json, msgpack, got 'jsn'", "json")),
        ({"name": "p", "codec": ["json"]}, FieldError("/codec", "expected one of json, msgpack, got ['json']", "json")),
        ({"name": "p", "deliveries": 0}, FieldError("/deliveries", "expected a number from 1 to 100, got 0")),
        ({"name": "p", "deliveries": True}, FieldError("/deliveries", "expected a whole number, got a truth value")),
        (
            {"name": "p", "limits": {"cpu_ms": "50"}},
            FieldError("/limits/cpu_ms", "expected a whole number, got text"),
        ),
        (
            {"name": "p", "limits": {"memory": "16 mib"}},
            FieldError("/limits/memory", "'16 mib' is no size: the unit 'mib' is none of B KiB MiB GiB KB MB GB"),
        ),
        ({"name": "p", "limits": {"memory": 1.5}}, FieldError("/limits/memory", "expected a whole number, got a number")),
        ({"name": "p", "limits": {"memory": "9999GiB"}}, FieldError("/limits/memory", "expected at most 1024GiB")),
        ({"name": "p", "limits": []}, FieldError("/limits", "expected a mapping, got a list")),
        ({"name": "p", "send_to": "*"}, FieldError("/send_to", "expected a list, got text")),
        ({"name": "p", "tools": [1]}, FieldError("/tools/0", "expected text, got a number; put it in quotes")),
        ({"name": "p", "config": [1]}, FieldError("/config", "expected a mapping, got a list")),
        (
            {"name": "p", "module": "a\nb"},
            FieldError("/module", "expected printable text of at most 4096 characters"),
        ),
    ],
)  # fmt: skip
def test_an_error_says_where_and_what(document: object, expected: FieldError) -> None:
    """Each error has the place as a JSON pointer, what is wrong, and the nearest known key."""
    assert expected in errors(document)


@pytest.mark.parametrize("name", ["", "Pricer", "-p", "a b", "42", "ams", "a" * 64, "p@caxton"])
def test_names_follow_the_contract(name: str) -> None:
    """A manifest's name is a lower-case local name, not digits only, not the platform's."""
    assert [error.path for error in errors({"name": name})] == ["/name"]


def test_all_errors_come_together() -> None:
    """One look at a manifest names everything that is wrong with it."""
    wrong = {"name": "P", "limits": {"mailbox": 0, "x": 1}, "deliveries": "one", "colour": "red"}
    assert {error.path for error in errors(wrong)} == {
        "/name", "/limits/mailbox", "/limits/x", "/deliveries", "/colour",
    }  # fmt: skip


def test_a_config_without_a_form_in_json_is_an_error() -> None:
    """YAML can hold what JSON can't: the guest gets its config as JSON."""
    assert [error.path for error in errors({"name": "p", "config": {"a": {(1, 2): 3}}})] == [
        "/config"
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from([*EXAMPLE, "other"]), JSON) | JSON)
def test_no_document_raises(document: object) -> None:
    """Whatever comes in, the answer is a manifest or a list of errors."""
    match Manifest.parse(document):
        case Success(manifest):
            assert msgspec.json.decode(msgspec.json.encode(manifest), type=Manifest) == manifest
        case Failure(error):
            assert error.errors


def test_a_manifest_that_names_a_digest_knows_it() -> None:
    """`module` is a path or a digest."""
    digest = ModuleDigest.of(b"module")
    assert Manifest.parse({"name": "p", "module": digest}).unwrap().digest == digest
    assert Manifest.parse({"name": "p", "module": "p.wasm"}).unwrap().digest is None
    assert Manifest.parse({"name": "p", "module": "sha256:short"}).unwrap().digest is None


@pytest.mark.parametrize(
    ("send_to", "allowed"),
    [
        (["*"], True),
        (["machine-3"], True),
        (["machine-?"], True),
        (["milling"], True),
        (["mill*"], False),
        (["machine"], False),
        (["MACHINE-3"], False),
        ([], False),
    ],
)
def test_send_to_takes_names_globs_and_service_types(send_to: list[str], allowed: bool) -> None:
    """A receiver is named by its local name, by a glob over it, or by a type of its services."""
    assert may_send(send_to, "machine-3", ["milling", "drilling"]) is allowed


def test_the_nearest_key_resembles_the_wrong_one() -> None:
    """Nothing is suggested for what resembles nothing."""
    assert (
        nearest("memry", Limits.__struct_fields__),
        nearest("qqq", Limits.__struct_fields__),
    ) == ("memory", "")
