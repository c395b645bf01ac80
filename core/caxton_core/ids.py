"""Names and numbers that identify agents, messages, conversations, deployments and modules.

Rules:
- To mypy each is a type of its own; at run time it is a plain int or str (see `units.Plain`).
- `parse` reads text from outside, `of` checks a value, `new` draws one from a source of randomness.
- Names are lower case: two agents are the same if their names are equal, whatever their case (FIPA SC00023).
- Ids of messages, conversations and deployments are UUIDs of version 7: they sort by the time they were made.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Final, Self, cast

from returns.result import Failure, Result, Success

from caxton_core.errors import InvalidValue
from caxton_core.units import Plain

if TYPE_CHECKING:
    from caxton_core.ports import Entropy

_LARGEST: Final = (1 << 64) - 1
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")
_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")

RESERVED_NAMES: Final = frozenset({"ams", "df", "api"})
"""Local names of the platform's own agents."""


class AgentId(int, metaclass=Plain):
    """The handle of an agent: a 64-bit number but zero, never used twice.

    >>> AgentId.parse("42")
    <Success: 42>
    >>> print(AgentId.parse("0").failure())
    '0' is no agent id: it is not between 1 and 18446744073709551615.
    >>> AgentId.new(lambda size: bytes(range(1, size + 1)))
    72623859790382856
    """

    def __new__(cls, number: int) -> Self:
        return cast("Self", int(number))

    @classmethod
    def of(cls, number: int) -> Result[AgentId, InvalidValue]:
        """Check a number."""
        if type(number) is not int or not 0 < number <= _LARGEST:
            detail = f"it is not between 1 and {_LARGEST}"
            return Failure(InvalidValue("agent id", str(number), detail))
        return Success(cls(number))

    @classmethod
    def parse(cls, text: str) -> Result[AgentId, InvalidValue]:
        """Read a decimal number."""
        if not (text.isascii() and text.isdigit() and len(text) <= 20):
            return Failure(InvalidValue("agent id", text, "it is not a decimal number"))
        return cls.of(int(text))

    @classmethod
    def new(cls, entropy: Entropy) -> AgentId:
        """Draw a handle."""
        while not (number := int.from_bytes(entropy(8), "big")):
            pass
        return cls(number)


class AgentName(str, metaclass=Plain):
    """The local name of an agent, the part before the @ of its address.

    >>> AgentName.parse("Pricer")
    <Success: pricer>
    >>> print(AgentName.parse("42").failure())
    '42' is no agent name: digits alone would be a handle.
    >>> AgentName.address(AgentName("pricer"), "caxton")
    'pricer@caxton'
    """

    def __new__(cls, text: str) -> Self:
        return cast("Self", str(text))

    @classmethod
    def of(cls, text: str) -> Result[AgentName, InvalidValue]:
        """Check a name."""
        if _NAME.fullmatch(text) is None:
            detail = "it does not match [a-z0-9][a-z0-9_.-]{0,62}"
        elif text.isdigit():
            detail = "digits alone would be a handle"
        elif text in RESERVED_NAMES:
            detail = "the platform's own agent has that name"
        else:
            return Success(cls(text))
        return Failure(InvalidValue("agent name", text, detail))

    @classmethod
    def parse(cls, text: str) -> Result[AgentName, InvalidValue]:
        """Read a name in any case."""
        return cls.of(text.lower())

    @classmethod
    def address(cls, name: str, platform: str) -> str:
        """Return the full address."""
        return f"{name}@{platform}"


def _uuid(kind: str, text: str) -> Result[str, InvalidValue]:
    lower = text.lower()
    if _UUID.fullmatch(lower) is None:
        return Failure(InvalidValue(kind, text, "it is not a UUID"))
    return Success(lower)


class MessageId(str, metaclass=Plain):
    """The id of a message: a UUID.

    >>> MessageId.parse("0198A0F0-0000-7000-8000-000000000001")
    <Success: 0198a0f0-0000-7000-8000-000000000001>
    """

    def __new__(cls, text: str) -> Self:
        return cast("Self", str(text))

    @classmethod
    def parse(cls, text: str) -> Result[MessageId, InvalidValue]:
        """Read a UUID in any case."""
        return _uuid("message id", text).map(cls)


class ConversationId(str, metaclass=Plain):
    """The id of a conversation: what the initiator chose, else a UUID.

    >>> ConversationId.parse("order-17")
    <Success: order-17>
    """

    LONGEST: Final = 256

    def __new__(cls, text: str) -> Self:
        return cast("Self", str(text))

    @classmethod
    def parse(cls, text: str) -> Result[ConversationId, InvalidValue]:
        """Check that it is printable text of a sensible length."""
        if not 0 < len(text) <= cls.LONGEST or not text.isprintable():
            detail = f"it is not printable text of 1 to {cls.LONGEST} characters"
            return Failure(InvalidValue("conversation id", text, detail))
        return Success(cls(text))


class DeploymentId(str, metaclass=Plain):
    """The id of a deployment: a UUID."""

    def __new__(cls, text: str) -> Self:
        return cast("Self", str(text))

    @classmethod
    def parse(cls, text: str) -> Result[DeploymentId, InvalidValue]:
        """Read a UUID in any case."""
        return _uuid("deployment id", text).map(cls)


class ModuleDigest(str, metaclass=Plain):
    """The name of a module: sha256: and the 64 hexadecimal digits of its bytes' SHA-256.

    >>> ModuleDigest.of(b"")[:20]
    'sha256:e3b0c44298fc1'
    >>> ModuleDigest.parse("e3b0").failure().kind
    'module digest'
    """

    def __new__(cls, text: str) -> Self:
        return cast("Self", str(text))

    @classmethod
    def of(cls, data: bytes) -> ModuleDigest:
        """Compute the digest of a module."""
        return cls(f"sha256:{hashlib.sha256(data).hexdigest()}")

    @classmethod
    def parse(cls, text: str) -> Result[ModuleDigest, InvalidValue]:
        """Read a digest, with or without its prefix."""
        lower = text.lower()
        full = lower if lower.startswith("sha256:") else f"sha256:{lower}"
        if _DIGEST.fullmatch(full) is None:
            return Failure(InvalidValue("module digest", text, "write sha256: and 64 hex digits"))
        return Success(cls(full))


_LOW: Final = tuple(f"{number:02x}-" for number in range(256))
_TAILS: Final = 512
_COUNTERS: Final = 1 << 18


class UuidSource:
    """Makes UUIDs of version 7 that never go back, from blocks of random bytes.

    48 bits of time, a counter of 26 bits (its upper 18, in `rand_a` and the variant's byte, begin at random in each
    millisecond), 48 random bits. When the clock stands still or goes back the counter goes on; when it is used up,
    and only then, the time runs ahead of the clock.

    >>> source = UuidSource(lambda size: bytes(size))
    >>> source.next(1_700_000_000_000)
    '018bcfe5-6800-7000-8000-000000000000'
    >>> source.next(1_700_000_000_000)
    '018bcfe5-6800-7000-8001-000000000000'
    """

    __slots__ = ("_entropy", "_high", "_low", "_ms", "_prefix", "_tails")

    def __init__(self, entropy: Entropy) -> None:
        self._entropy = entropy
        self._ms = -1
        self._high = 0
        self._low = 0
        self._prefix = ""
        self._tails: list[str] = []

    def next(self, now_ms: int) -> str:
        """Return a UUID that sorts behind all before it."""
        if now_ms > self._ms or self._low == 256:
            self._advance(now_ms)
        low = self._low
        self._low = low + 1
        try:
            return self._prefix + _LOW[low] + self._tails.pop()
        except IndexError:
            self._refill()
            return self._prefix + _LOW[low] + self._tails.pop()

    def take_back(self, uuid: str) -> None:
        """Make the latest UUID the next one again: it was not used.

        >>> source = UuidSource(lambda size: bytes(size))
        >>> first = source.next(5)
        >>> source.take_back(first)
        >>> source.next(5) == first
        True
        """
        self._low -= 1
        self._tails.append(uuid[24:])

    def _refill(self) -> None:
        self._tails = self._entropy(6 * _TAILS).hex(" ", 6).split(" ")

    def _advance(self, now_ms: int) -> None:
        """Begin another block of 256: of a new millisecond if there is one, else of the old."""
        self._high += 1
        if now_ms <= self._ms and self._high == _COUNTERS:
            now_ms = self._ms + 1
        if now_ms > self._ms:
            self._ms = now_ms
            if not self._tails:
                self._refill()
            # One bit less than the counter has: room to count.
            self._high = int(self._tails.pop()[:5], 16) & (_COUNTERS // 2 - 1)
        self._low = 0
        ms, high = self._ms, self._high
        self._prefix = f"{ms >> 16:08x}-{ms & 0xFFFF:04x}-7{high >> 6:03x}-{0x80 | high & 0x3F:02x}"


def uuid_time(uuid: str) -> int | None:
    """Return the milliseconds since the epoch that a UUID of version 7 carries; None for any other text.

    >>> uuid_time("018bcfe5-6800-7000-8000-000000000000")
    1700000000000
    """
    if _UUID.fullmatch(uuid) is None or uuid[14] != "7":
        return None
    return int(uuid[:8] + uuid[9:13], 16)
