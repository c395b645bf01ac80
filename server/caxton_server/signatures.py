"""Signing and verifying modules with Ed25519, as minisign does it.

Rules:
- A signature is genuine only when both parts are: that of the file, and the seal on its trusted comment.
- We write prehashed signatures (`ED`) and verify both kinds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from caxton_core.errors import InvalidValue
from caxton_core.signatures import Doubt, Policy, PublicKey, Signature, Trust, key_id
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from returns.result import Failure, Result, Success

SUFFIX = ".minisig"
"""What the name of a signature file adds to that of its module."""


def judge(trust: Trust, data: bytes, signature: Signature | None) -> Result[PublicKey, Doubt]:
    """Tell which trusted key has signed these bytes, or why they are not trusted; hashing takes 2 ms per MiB."""
    found = trust.key_for(signature)
    if isinstance(found, Failure) or signature is None:
        return found
    wrong = verify(found.unwrap(), data, signature)
    if wrong is None:
        return found
    return Failure(Doubt("wrong-signature", wrong, signature.key_id))


def verify(key: PublicKey, data: bytes, signature: Signature) -> str | None:
    """Return what is wrong with a signature by this key, None when it is genuine."""
    if signature.key_id != key.id:
        return f"it is by the key {signature.key_id}, not {key.id}"
    message = hashlib.blake2b(data).digest() if signature.prehashed else data
    sealed = signature.signature + signature.trusted_comment.encode()
    try:
        public = Ed25519PublicKey.from_public_bytes(key.key)
        public.verify(signature.signature, message)
    except (InvalidSignature, ValueError):
        return f"the signature by the key {key.id} is not one of these bytes"
    try:
        public.verify(signature.seal, sealed)
    except InvalidSignature:
        return "its trusted comment was changed"
    return None


def sign(seed: bytes, key_id: str, data: bytes, *, comment: str) -> Signature:
    """Sign bytes, and the trusted comment, with the secret key of this seed."""
    private = Ed25519PrivateKey.from_private_bytes(seed)
    signature = private.sign(hashlib.blake2b(data).digest())
    seal = private.sign(signature + comment.encode())
    return Signature(
        prehashed=True, key_id=key_id, signature=signature, trusted_comment=comment, seal=seal
    )


def public_key(given: str) -> Result[PublicKey, InvalidValue]:
    """Return the key that somebody names: written out, or by the path of its file."""
    parsed = PublicKey.parse(given)
    if isinstance(parsed, Success) or given.startswith("RW"):
        return parsed
    try:
        return PublicKey.parse(Path(given).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        return Failure(InvalidValue("public key", given, f"it can't be read: {reason}"))


def trust_of(
    policy: Policy, trusted: Iterable[str], revoked: Iterable[str]
) -> Result[Trust, tuple[str, InvalidValue]]:
    """Build what a node trusts from its settings; a failure names the setting, `trusted` or `revoked`."""
    keys: dict[str, PublicKey] = {}
    for given in trusted:
        found = public_key(given)
        if isinstance(found, Failure):
            return Failure(("trusted", found.failure()))
        key = found.unwrap()
        if keys.setdefault(key.id, key) != key:
            return Failure(
                ("trusted", InvalidValue("public key", given, f"another key has its id {key.id}"))
            )
    ids: set[str] = set()
    for given in revoked:
        named = key_id(given) if len(given) == 16 else public_key(given).map(lambda key: key.id)
        if isinstance(named, Failure):
            return Failure(("revoked", named.failure()))
        ids.add(named.unwrap())
    return Success(Trust(policy, tuple(keys.values()), frozenset(ids)))
