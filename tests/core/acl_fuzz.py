"""Texts in and near ACL's string form, made from one seed, and what must hold for each: `python -m tests.core.acl_fuzz`."""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from caxton_core.acl_documents import document_of
from caxton_core.acl_messages import message_of, parse_document
from caxton_core.acl_printer import print_acl
from caxton_core.acl_strings import parse_acl
from caxton_core.acl_values import AclMessage
from caxton_core.errors import InvalidAclString, InvalidMessage
from caxton_core.messages import Performative
from returns.result import Failure, Success

from tests.core.acl_texts import BAD, GOOD

PIECES = [
    b"(", b")", b" ", b"\t", b"\r\n", b'"', b'\\"', b"\\", b"#", b'#3"abc', b'#0"', b'#99"x', b"#", b"-", b"+",
    b"@", b".", b"0", b"7", b"1e3", b".5", b"+5", b"word", b"\x00", b"\x1f", b"\x7f", b"\xff", b"\xc3", b"\xc3\xa9",
    b"20301231T235959999Z", b"+00000000T001000000", b"20300230T000000000", b":x-", b":X-note", b":content",
    b":X-caxton-json (content X-note)", b":X-caxton-id", b":X-caxton-timestamp", b":X-traceparent", b":sender",
    b":receiver", b":reply-by", b":protocol", b":language", b"(set", b"(sequence", b"(agent-identifier :name a)",
    b"(inform", b'"{\\"a\\": [null, 1]}"', b"((((", b"))))",
]  # fmt: skip
TEXT_PARAMETERS = [
    "language",
    "encoding",
    "ontology",
    "conversation-id",
    "reply-with",
    "in-reply-to",
]


class Maker:
    """Makes texts: grown from the grammar, mutated, or of random bytes."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.seeds = [text for text, *_ in GOOD] + [text for text, *_ in BAD]

    def text(self) -> bytes:
        """Return the next text."""
        kind = self.random.random()
        if kind < 0.4:
            return self.message()
        if kind < 0.9:
            text = self.message() if self.random.random() < 0.5 else self.random.choice(self.seeds)
            for _ in range(self.random.randint(1, 4)):
                text = self.mutated(text)
            return text
        if kind < 0.95:
            return b"".join(self.random.choices(PIECES, k=self.random.randint(0, 40)))
        return self.random.randbytes(self.random.randint(0, 60))

    def mutated(self, text: bytes) -> bytes:
        """Return a text with one thing changed."""
        draw = self.random
        at, to = sorted((draw.randint(0, len(text)), draw.randint(0, len(text))))
        match draw.randrange(6):
            case 0:
                return text[:at] + draw.choice(PIECES) + text[at:]
            case 1:
                return text[:at] + text[to:]
            case 2:
                return text[:at] + bytes([draw.randrange(256)]) + text[at + 1 :]
            case 3:
                return text[:to] + text[at:to] + text[to:]
            case 4:
                other = draw.choice(self.seeds)
                return text[:at] + other[draw.randint(0, len(other)) :]
            case _:
                return text[:at] + draw.choice(PIECES) + text[to:]

    def message(self) -> bytes:
        """Grow a message of the grammar."""
        draw = self.random
        parts = [b"(" + self.cased(draw.choice(list(Performative)))]
        makers: list[Callable[[], bytes]] = [
            lambda: self.cased(":sender ") + self.agent(),
            lambda: self.cased(":receiver ") + self.agents(b"set"),
            lambda: self.cased(":reply-to ") + self.agents(b"set"),
            lambda: self.cased(":content ") + draw.choice([self.string, self.word, self.json])(),
            lambda: self.cased(":protocol ") + self.word(),
            lambda: self.cased(":reply-by ") + self.time(),
            *(
                lambda name=name: self.cased(f":{name} ") + self.expression()
                for name in TEXT_PARAMETERS
            ),
            lambda: b":X-" + self.word() + b" " + self.expression(),
            lambda: b":x-n " + self.json() + b" :X-caxton-json (x-n)",
            lambda: b":X-caxton-timestamp " + self.time(),
            lambda: b":X-caxton-id " + self.expression(),
            lambda: b":X-traceparent " + self.expression(),
        ]
        parts += [make() for make in draw.sample(makers, draw.randint(0, 8))]
        return draw.choice([b" ", b"\n", b"\r\n\t "]).join(parts) + draw.choice(
            [b")", b" )", b")\n"]
        )

    def cased(self, text: str) -> bytes:
        """Return a keyword, now and then in another case."""
        return (text.upper() if self.random.random() < 0.1 else text).encode()

    def agent(self, depth: int = 0) -> bytes:
        """Grow an agent identifier."""
        draw = self.random
        parts = [b":name " + draw.choice([self.word, self.quoted])()]
        if draw.random() < 0.3:
            words = [self.word() for _ in range(draw.randint(0, 3))]
            parts.append(b":addresses (" + b" ".join([b"sequence", *words]) + b")")
        if draw.random() < 0.3 and depth < 3:
            parts.append(b":resolvers " + self.agents(b"sequence", depth + 1))
        if draw.random() < 0.2:
            parts.append(b":x-slot " + self.expression())
        draw.shuffle(parts)
        return b" ".join([b"(agent-identifier", *parts]) + b")"

    def agents(self, keyword: bytes, depth: int = 0) -> bytes:
        """Grow a set or a sequence of agent identifiers."""
        several = [self.agent(depth) for _ in range(self.random.randint(0, 3))]
        return b"(" + b" ".join([keyword, *several]) + b")"

    def expression(self, depth: int = 0) -> bytes:
        """Grow an expression."""
        draw = self.random
        if draw.random() < 0.3 and depth < 6:
            items = [self.expression(depth + 1) for _ in range(draw.randint(0, 4))]
            return b"(" + b" ".join(items) + b")"
        return draw.choice([self.word, self.string, self.number, self.time])()

    def word(self) -> bytes:
        """Grow a word."""
        head = self.random.choice("abcXYZ:+._/\\é")
        return (
            head + "".join(self.random.choices('abz019-#@"\\.:é€', k=self.random.randint(0, 8)))
        ).encode()

    def string(self) -> bytes:
        """Grow a string."""
        return self.quoted() if self.random.random() < 0.6 else self.counted()

    def quoted(self) -> bytes:
        """Grow a quoted string."""
        inner = "".join(self.random.choices(' ab1()#\\\n\x00é€"', k=self.random.randint(0, 12)))
        return b'"' + inner.rstrip("\\").replace('"', '\\"').encode() + b'"'

    def counted(self) -> bytes:
        """Grow a length-encoded string."""
        draw = self.random
        inner = draw.choice([draw.randbytes(draw.randint(0, 9)), b"text\\", "€(".encode(), b""])
        return b'#%d"%s' % (len(inner), inner)

    def json(self) -> bytes:
        """Grow a string that is JSON."""
        value: Any = self.random.choice(
            [None, True, {"a": [1, {}]}, [None], "x", 1.5, {"number": "5"}]
        )
        return b'"' + msgspec.json.encode(value).replace(b'"', b'\\"') + b'"'

    def number(self) -> bytes:
        """Grow a number."""
        draw = self.random
        digits = "".join(draw.choices("0123456789", k=draw.choice([1, 2, 5, 17, 45])))
        return (
            draw.choice(["", "+", "-"]) + digits + draw.choice(["", ".", ".25", "e9", "E-300"])
        ).encode()

    def time(self) -> bytes:
        """Grow a time, seldom one that there is not."""
        draw = self.random
        zone = draw.choice(["", "Z", "Z", "z", "A", "N", "j"])
        if draw.random() < 0.5:
            digits = "".join(draw.choices("0123456789", k=17))
            return f"{draw.choice('+-')}{digits[:8]}T{digits[8:]}{zone}".encode()
        day = f"{draw.randint(1, 9999):04d}{draw.randint(1, 12):02d}{draw.randint(1, 31):02d}"
        hour = f"{draw.randint(0, 23):02d}{draw.randint(0, 59):02d}{draw.randint(0, 59):02d}"
        return f"{day}T{hour}{draw.randint(0, 999):03d}{zone}".encode()


def check(text: bytes) -> str:
    """Hold a text against everything that is promised, and say which way it went."""
    parsed = parse_acl(text)
    if isinstance(parsed, Failure):
        error = parsed.failure()
        assert type(error) is InvalidAclString
        assert 0 <= error.offset <= len(text)
        assert error.line >= 1
        assert error.column >= 1
        parse_document(text)
        return error.reason
    message = parsed.unwrap()
    printed = print_acl(message)
    assert parse_acl(printed) == Success(message)
    return _translated(message)


def _translated(message: AclMessage) -> str:
    """Hold a message against what is promised of its JSON form."""
    told = document_of(message)
    if isinstance(told, Failure):
        assert type(told.failure()) is InvalidMessage
        return "no-document"
    document = told.unwrap()
    assert msgspec.json.decode(msgspec.json.encode(document)) == document
    back = message_of(document)
    if isinstance(back, Failure):
        # In UTC, or counted from now, some times are of the year 0 or 10000.
        assert back.failure().path in ("/reply_by", "/timestamp"), back
        return "no-time"
    settled = back.unwrap()
    assert parse_acl(print_acl(settled)) == Success(settled)
    again = document_of(settled).unwrap()
    assert message_of(again) == Success(settled)
    for clock in ("reply_by", "timestamp"):
        # The same moment, in UTC.
        document.pop(clock, None)
        again.pop(clock, None)
    assert again == document
    return "round-trip"


def run(seed: int, *, seconds: float = 0, count: int = 0) -> Counter[str]:
    """Check texts for so many seconds or so many times; an AssertionError carries the text that broke a promise."""
    maker = Maker(seed)
    counts: Counter[str] = Counter()
    end = time.monotonic() + seconds
    number = 0
    while number < count or (number % 256 or time.monotonic() < end):
        text = maker.text()
        try:
            counts[check(text)] += 1
        except BaseException as error:
            raise AssertionError(f"seed {seed}, text {number}: {text!r}") from error
        number += 1
    return counts


def main(line: Sequence[str] | None = None) -> int:
    """Fuzz for a while, and print the seed and what became of the texts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    given = parser.parse_args(line)
    sys.stdout.write(f"seed {given.seed}\n")
    sys.stdout.flush()
    counts = run(given.seed, seconds=given.seconds)
    for reason, number in counts.most_common():
        sys.stdout.write(f"{number:10d} {reason}\n")
    sys.stdout.write(f"{counts.total():10d} texts\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
