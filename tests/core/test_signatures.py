"""Signatures and keys as texts, and what a node trusts."""

from __future__ import annotations

import base64

import pytest
from caxton_core.errors import InvalidSignature, InvalidValue
from caxton_core.signatures import Doubt, PublicKey, Signature, Trust, key_id
from returns.result import Failure, Success

KEY = PublicKey("954953FD2471B1AF", bytes(range(32)))
SIGNATURE = Signature(
    prehashed=True,
    key_id=KEY.id,
    signature=bytes(64),
    trusted_comment="file:a.wasm\thashed",
    seal=b"\1" * 64,
)


@pytest.mark.parametrize("text", [str(KEY), f"untrusted comment: mine\n{KEY}\n", f"  {KEY}\r\n"])
def test_a_public_key_is_read_as_a_line_and_as_a_file(text: str) -> None:
    """The line alone is what people paste, the file what tools write."""
    assert PublicKey.parse(text) == Success(KEY)


@pytest.mark.parametrize("text", ["", "RWQ", str(KEY)[:-4], "R" + str(KEY), str(KEY)[::-1]])
def test_what_is_no_public_key_is_refused(text: str) -> None:
    """A cut, longer or foreign text is no key."""
    assert isinstance(PublicKey.parse(text).failure(), InvalidValue)


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_a_signature_comes_out_of_its_text_as_it_went_in(ends: str) -> None:
    """Writing and reading lose nothing, whichever way lines end."""
    assert Signature.parse(str(SIGNATURE).replace("\n", ends)) == Success(SIGNATURE)
    assert Signature.parse(str(SIGNATURE).encode()) == Success(SIGNATURE)


LINES = str(SIGNATURE).split("\n")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "1 lines"),
        ("\n".join(LINES[:3]), "3 lines"),
        ("\n".join([LINES[2], LINES[1], LINES[0], LINES[3]]), "two comments"),
        ("\n".join([LINES[0], LINES[1][:-8], *LINES[2:]]), "line 2"),
        ("\n".join([LINES[0], "@" + LINES[1][1:], *LINES[2:]]), "line 2"),
        ("\n".join([LINES[0], "QQ" + LINES[1][2:], *LINES[2:]]), "neither Ed nor ED"),
        ("\n".join([*LINES[:3], base64.b64encode(bytes(63)).decode()]), "line 4"),
        ("x" * 20_000, "more than"),
        (b"\xff" + str(SIGNATURE).encode(), "UTF-8"),
    ],
)
def test_what_is_no_signature_says_why(text: str | bytes, said: str) -> None:
    """Each way of being malformed has its own words."""
    error = Signature.parse(text).failure()
    assert isinstance(error, InvalidSignature)
    assert said in error.detail


def test_a_key_is_chosen_by_its_id_and_a_revoked_one_never() -> None:
    """Revoking outweighs trusting; what nobody signed has no key."""
    trust = Trust("require", (KEY,))
    assert trust.key_for(SIGNATURE) == Success(KEY)
    assert trust.stands(KEY.id)
    unsigned = trust.key_for(None).failure()
    unknown = Trust("require").key_for(SIGNATURE).failure()
    both = Trust("require", (KEY,), frozenset({KEY.id}))
    revoked = both.key_for(SIGNATURE).failure()
    assert isinstance(unsigned, Doubt)
    assert [each.reason for each in (unsigned, unknown, revoked)] == [
        "unsigned",
        "unknown-key",
        "revoked-key",
    ]
    assert not both.stands(KEY.id)


def test_an_id_is_named_by_its_digits_or_by_its_key() -> None:
    """Both forms that people have at hand name the same id."""
    assert key_id(KEY.id.lower()) == key_id(str(KEY)) == Success(KEY.id)
    assert isinstance(key_id("954953FD2471B1A"), Failure)
