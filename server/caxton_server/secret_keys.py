"""Secret keys in minisign's files: made, locked with a password, and opened again.

Rules:
- A secret never reaches a log, a message or an exception: `SecretKey` shows only its id.
- A file is made with mode 0600 from the start, and never written over.
- What a file demands of scrypt is bounded before it is done.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, Final

from caxton_core.errors import Problem
from caxton_core.ports import Entropy
from caxton_core.signatures import COMMENT, PublicKey, Signature, bytes_of, id_of
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from returns.result import Failure, Result, Success

from caxton_server import signatures

OPERATIONS: Final = 1 << 22
MEMORY: Final = 1 << 27
"""What we ask of scrypt, in libsodium's terms: N = 2**17, r = 8, p = 1."""
_MOST_MEMORY: Final = 2 << 30
_MOST_OPERATIONS: Final = 1 << 27
_ALGORITHM, _SCRYPT, _PLAIN, _CHECKSUM = b"Ed", b"Sc", b"\0\0", b"B2"
_BLOCK: Final = 8
_LOCKED: Final = 8 + 64 + 32


class BadSecretKey(Problem, frozen=True):
    """A file that is no secret key, or one that its password does not open."""

    detail: str
    code: ClassVar[str] = "bad_secret_key"
    SENTENCE: ClassVar[str] = "Can't use the secret key: {detail}."


class SecretKey:
    """A key pair; printing it shows the id alone."""

    __slots__ = ("_seed", "public")

    def __init__(self, key_id: str, seed: bytes) -> None:
        self._seed = seed
        self.public = PublicKey(
            key_id, Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
        )

    @classmethod
    def new(cls, entropy: Entropy = os.urandom) -> SecretKey:
        """Make a new key."""
        return cls(id_of(entropy(8)), entropy(32))

    @classmethod
    def read(cls, text: str, password: Callable[[], bytes]) -> Result[SecretKey, BadSecretKey]:
        """Read a key from the text of its file; the password is asked for only when it is locked."""
        lines = text.strip().split("\n")
        try:
            data = base64.b64decode(lines[-1].strip(), validate=True)
        except (binascii.Error, ValueError):
            data = b""
        if len(data) != 54 + _LOCKED or data[:2] != _ALGORITHM or data[4:6] != _CHECKSUM:
            return Failure(BadSecretKey("it is no minisign secret key"))
        kdf, locked = data[2:4], data[54:]
        if kdf == _SCRYPT:
            operations, memory = (int.from_bytes(data[at : at + 8], "little") for at in (38, 46))
            if memory > _MOST_MEMORY or operations > _MOST_OPERATIONS:
                return Failure(BadSecretKey("its password takes too much memory or time to check"))
            locked = _mask(locked, password(), data[6:38], operations, memory)
        elif kdf != _PLAIN:
            return Failure(BadSecretKey("its password is checked in a way we don't know"))
        name, secret, checksum = locked[:8], locked[8:72], locked[72:]
        # minisign leaves the checksum out of a key without a password.
        genuine = checksum == _sum(name + secret) or (kdf == _PLAIN and not any(checksum))
        found = cls(id_of(name), secret[:32])
        if not genuine or found.public.key != secret[32:]:
            wrong = "the password is wrong" if kdf == _SCRYPT else "it is damaged"
            return Failure(BadSecretKey(wrong))
        return Success(found)

    def sign(self, data: bytes, *, comment: str) -> Signature:
        """Sign bytes and a trusted comment."""
        return signatures.sign(self._seed, self.public.id, data, comment=comment)

    def text(self, password: bytes | None, entropy: Entropy = os.urandom) -> str:
        """Write the secret key as a file, locked with the password unless that is None."""
        plain = bytes_of(self.public.id) + self._seed + self.public.key
        plain += _sum(plain)
        if password is None:
            head, body = _PLAIN + _CHECKSUM + bytes(48), plain
        else:
            salt = entropy(32)
            limits = OPERATIONS.to_bytes(8, "little") + MEMORY.to_bytes(8, "little")
            head = _SCRYPT + _CHECKSUM + salt + limits
            body = _mask(plain, password, salt, OPERATIONS, MEMORY)
        written = base64.b64encode(_ALGORITHM + head + body).decode()
        kind = "caxton secret key" if password is None else "caxton encrypted secret key"
        return f"{COMMENT}{kind}\n{written}\n"

    def public_text(self) -> str:
        """Write the public key as a file."""
        return f"{COMMENT}caxton public key {self.public.id}\n{self.public}\n"

    def __repr__(self) -> str:
        return f"SecretKey({self.public.id})"


def write_new(path: Path, text: str, *, mode: int) -> None:
    """Write a file that did not exist, with its mode from the first moment; raises OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


def _sum(data: bytes) -> bytes:
    return hashlib.blake2b(_ALGORITHM + data, digest_size=32).digest()


def _mask(data: bytes, password: bytes, salt: bytes, operations: int, memory: int) -> bytes:
    """Lock or unlock bytes with a password."""
    cost, parallel = costs(operations, memory)
    stream = Scrypt(salt=salt, length=len(data), n=cost, r=_BLOCK, p=parallel).derive(password)
    return bytes(one ^ other for one, other in zip(data, stream, strict=True))


def costs(operations: int, memory: int) -> tuple[int, int]:
    """Return scrypt's N and p for libsodium's two limits, chosen as libsodium does.

    >>> costs(1 << 25, 1 << 30)
    (1048576, 1)
    """
    operations = max(operations, 32768)
    if operations < memory // 32:
        return _power(operations // (_BLOCK * 4)), 1
    cost = _power(memory // (_BLOCK * 128))
    return cost, max(1, min(operations // 4 // cost, 0x3FFFFFFF) // _BLOCK)


def _power(most: int) -> int:
    """Return the power of two above half of a number, at least 2."""
    power = 2
    while power <= most // 2:
        power *= 2
    return power
