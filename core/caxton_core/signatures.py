"""Who made a module: public keys, detached signatures in minisign's form, and what a node trusts.

Rules:
- Texts are parsed here, once, into values; whether a signature is genuine needs cryptography and is the server's to find out.
- A signature names its key by an id of 8 bytes that whoever made the key has chosen: an id only selects a key, it proves nothing.
- A revoked id outweighs a trusted one.
"""

from __future__ import annotations

import base64
import binascii
from typing import Final, Literal, TypeAlias

import msgspec
from returns.result import Failure, Result, Success

from caxton_core.errors import InvalidSignature, InvalidValue

Policy: TypeAlias = Literal["off", "warn", "require"]
Reason: TypeAlias = Literal["unsigned", "unknown-key", "revoked-key", "wrong-signature"]
"""Why a module is not trusted."""

COMMENT: Final = "untrusted comment: "
TRUSTED_COMMENT: Final = "trusted comment: "
LARGEST: Final = 16 << 10
_ID, _KEY, _SIGNATURE = 8, 32, 64
_PLAIN, _PREHASHED = b"Ed", b"ED"


class PublicKey(msgspec.Struct, frozen=True):
    """An Ed25519 public key with its id, as 16 hexadecimal digits."""

    id: str
    key: bytes

    @classmethod
    def parse(cls, text: str) -> Result[PublicKey, InvalidValue]:
        """Read a key: the line in Base64, or the whole file with its comment.

        >>> PublicKey.parse("RWSvsXEk/VNJlekx3IBXOKhu26eCXPbNjeEmJQBlGNutzNfYfQZbnAmf").unwrap().id
        '954953FD2471B1AF'
        """
        lines = text.split()
        data = _decode(lines[-1]) if lines else None
        if data is None or len(data) != 2 + _ID + _KEY or data[:2] != _PLAIN:
            wrong = "expected the 56 characters of a minisign public key"
            return Failure(InvalidValue("public key", text.strip()[:80], wrong))
        return Success(cls(id_of(data[2:10]), data[10:]))

    def __str__(self) -> str:
        """Write the key as one line in Base64."""
        return _encode(_PLAIN + bytes_of(self.id) + self.key)


class Signature(msgspec.Struct, frozen=True):
    """A detached signature: of the file's BLAKE2b-512 hash if `prehashed`, else of the file itself.

    `seal` signs the signature together with the trusted comment.
    """

    prehashed: bool
    key_id: str
    signature: bytes
    trusted_comment: str
    seal: bytes
    comment: str = "signature from caxton secret key"

    @classmethod
    def parse(cls, text: str | bytes) -> Result[Signature, InvalidSignature]:
        """Read the four lines of a signature file."""
        if len(text) > LARGEST:
            return _malformed(f"it has more than {LARGEST} bytes")
        try:
            text = text.decode() if isinstance(text, bytes) else text
        except UnicodeDecodeError:
            return _malformed("it is not UTF-8")
        lines = [line.rstrip("\r") for line in text.strip("\n").split("\n")]
        if len(lines) != 4:
            return _malformed(f"it has {len(lines)} lines instead of 4")
        if not lines[0].startswith(COMMENT) or not lines[2].startswith(TRUSTED_COMMENT):
            return _malformed("lines 1 and 3 are not its two comments")
        data, seal = _decode(lines[1]), _decode(lines[3])
        if data is None or len(data) != 2 + _ID + _SIGNATURE:
            return _malformed("line 2 is no signature")
        if data[:2] not in (_PLAIN, _PREHASHED):
            return _malformed("its algorithm is neither Ed nor ED")
        if seal is None or len(seal) != _SIGNATURE:
            return _malformed("line 4 is no signature of the trusted comment")
        return Success(
            cls(
                data[:2] == _PREHASHED,
                id_of(data[2:10]),
                data[10:],
                lines[2].removeprefix(TRUSTED_COMMENT),
                seal,
                lines[0].removeprefix(COMMENT),
            )
        )

    def __str__(self) -> str:
        """Write the signature as a file."""
        algorithm = _PREHASHED if self.prehashed else _PLAIN
        data = _encode(algorithm + bytes_of(self.key_id) + self.signature)
        comments = COMMENT + self.comment, TRUSTED_COMMENT + self.trusted_comment
        return "\n".join((comments[0], data, comments[1], _encode(self.seal), ""))


class Doubt(msgspec.Struct, frozen=True):
    """Why a module is not trusted; `key_id` is that of its signature, if it has one."""

    reason: Reason
    detail: str
    key_id: str = ""


class Trust(msgspec.Struct, frozen=True):
    """What a node asks of the modules it runs."""

    policy: Policy = "off"
    trusted: tuple[PublicKey, ...] = ()
    revoked: frozenset[str] = frozenset()

    def key_for(self, signature: Signature | None) -> Result[PublicKey, Doubt]:
        """Return the trusted key that a signature must be checked with."""
        if signature is None:
            return Failure(Doubt("unsigned", "it has no signature"))
        key_id = signature.key_id
        if key_id in self.revoked:
            return Failure(Doubt("revoked-key", f"the key {key_id} is revoked", key_id))
        for key in self.trusted:
            if key.id == key_id:
                return Success(key)
        return Failure(Doubt("unknown-key", f"the key {key_id} is not trusted", key_id))

    def stands(self, key_id: str) -> bool:
        """Tell whether a key is trusted now."""
        return key_id not in self.revoked and any(key.id == key_id for key in self.trusted)


def key_id(text: str) -> Result[str, InvalidValue]:
    """Return the id that somebody means by 16 hexadecimal digits, or by the key itself.

    >>> key_id("954953fd2471b1af").unwrap()
    '954953FD2471B1AF'
    """
    if len(text) == 2 * _ID and all(letter in "0123456789abcdefABCDEF" for letter in text):
        return Success(text.upper())
    return PublicKey.parse(text).map(lambda key: key.id)


def id_of(data: bytes) -> str:
    """Write the 8 bytes of an id as minisign does."""
    return f"{int.from_bytes(data, 'little'):016X}"


def bytes_of(key_id: str) -> bytes:
    """Return the 8 bytes of an id."""
    return int(key_id, 16).to_bytes(_ID, "little")


def _decode(line: str) -> bytes | None:
    try:
        return base64.b64decode(line, validate=True)
    except (binascii.Error, ValueError):
        return None


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _malformed(why: str) -> Failure[InvalidSignature]:
    return Failure(InvalidSignature(why))
