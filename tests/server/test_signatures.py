"""Signatures against files that minisign has written (`minisign/`), and against whoever changes them."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from caxton_core.signatures import PublicKey, Signature, Trust
from caxton_server.secret_keys import SecretKey
from caxton_server.signatures import judge, public_key, trust_of, verify

FILES = Path(__file__).parent / "minisign"
DATA = (FILES / "module.txt").read_bytes()
PUBLIC = public_key(str(FILES / "plain.pub")).unwrap()
KINDS = ("legacy", "prehashed")


def golden(name: str) -> Signature:
    """Return a signature that minisign made."""
    return Signature.parse((FILES / f"{name}.minisig").read_bytes()).unwrap()


@pytest.mark.parametrize("kind", KINDS)
def test_what_minisign_signed_is_genuine(kind: str) -> None:
    """Both of its kinds are verified, and come out of our hands byte by byte as they were."""
    signature = golden(kind)
    assert signature.prehashed == (kind == "prehashed")
    assert verify(PUBLIC, DATA, signature) is None
    assert str(signature) == (FILES / f"{kind}.minisig").read_text()


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_of_a_signature_may_be_changed(kind: str) -> None:
    """Other bytes, another key, kind, trusted comment or seal: each alone makes it false."""
    signature = golden(kind)
    flipped = bytes([signature.signature[0] ^ 1]) + signature.signature[1:]
    other = msgspec.structs.replace(PUBLIC, key=SecretKey.new().public.key)
    change = msgspec.structs.replace
    for wrong in (
        verify(PUBLIC, DATA + b"\n", signature),
        verify(other, DATA, signature),
        verify(change(PUBLIC, key=bytes(32)), DATA, signature),
        verify(SecretKey.new().public, DATA, signature),
        verify(PUBLIC, DATA, change(signature, prehashed=not signature.prehashed)),
        verify(PUBLIC, DATA, change(signature, trusted_comment="golden")),
        verify(PUBLIC, DATA, change(signature, signature=flipped)),
        verify(PUBLIC, DATA, change(signature, seal=bytes(64))),
    ):
        assert wrong is not None


def test_the_untrusted_comment_is_anybodys() -> None:
    """It is not signed, and no verdict depends on it."""
    signature = msgspec.structs.replace(golden("prehashed"), comment="something else")
    assert verify(PUBLIC, DATA, signature) is None


def test_a_verdict_names_the_key_or_the_reason() -> None:
    """A genuine signature is its key's; a false one by a trusted key is a wrong signature."""
    trust = Trust("require", (PUBLIC,))
    assert judge(trust, DATA, golden("legacy")).unwrap() == PUBLIC
    assert judge(trust, DATA, None).failure().reason == "unsigned"
    assert judge(trust, b"", golden("legacy")).failure().reason == "wrong-signature"
    assert judge(Trust(), DATA, golden("legacy")).failure().reason == "unknown-key"


def test_keys_are_trusted_by_line_and_by_file(tmp_path: Path) -> None:
    """The same key named twice counts once; a revoked one is named by its id, its line or its file."""
    file = str(FILES / "plain.pub")
    found = trust_of("warn", (file, str(PUBLIC)), (PUBLIC.id, str(PUBLIC), file)).unwrap()
    assert found == Trust("warn", (PUBLIC,), frozenset({PUBLIC.id}))


def test_keys_that_cannot_be_told_apart_are_refused() -> None:
    """Two keys with one id would make it a matter of luck which is asked."""
    other = PublicKey(PUBLIC.id, bytes(32))
    setting, why = trust_of("require", (str(PUBLIC), str(other)), ()).failure()
    assert setting == "trusted"
    assert PUBLIC.id in str(why)
    assert trust_of("require", ("none.pub",), ()).failure()[0] == "trusted"
    assert trust_of("require", (), ("none.pub",)).failure()[0] == "revoked"
