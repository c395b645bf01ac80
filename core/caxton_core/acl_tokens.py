"""The tokens of ACL's string form: where they begin and end, what they are, and what is wrong with them.

Rules:
- Every scan is one compiled pattern without backtracking, so that reading takes time in proportion to the text.
- Nothing is allocated before it is known to be there: a length is compared with what is left of the text.
- `Wrong` never leaves the package's readers; `acl_strings.py` makes an error of it.
"""

from __future__ import annotations

import calendar
import re
from typing import Final, NoReturn

from caxton_core.acl_faults import Fault, Wrong
from caxton_core.acl_values import DateTime, Expression, Number, String, Word

MAX_DEPTH: Final = 64
"""Levels of lists, and of agent identifiers in agent identifiers; each is counted for itself."""


_SPACE: Final = re.compile(rb"[ \t\r\n]*+")
_RUN: Final = re.compile(rb"[^\x00-\x20()]++")
# FIPA SC00070: a string's only escape is \", so it ends at the first quote that no backslash precedes.
_QUOTED: Final = re.compile(rb'"[^"]*+(?:(?<=\\)"[^"]*+)*+"')
_LENGTH: Final = re.compile(rb'#([0-9]++)"')
_NUMBER: Final = re.compile(rb"[+-]?(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][+-]?[0-9]++)?")
_TIME: Final = re.compile(
    rb"([+-]?)([0-9]{4})([0-9]{2})([0-9]{2})T([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{3})([A-Za-z]?)"
)
_NO_WORD: Final = frozenset(b'#"-@0123456789')
_MAYBE_NUMBER: Final = frozenset(b"+-.0123456789")
_MOST_DIGITS: Final = 12
_SHOWN: Final = 40

_OPEN, _CLOSE, _QUOTE, _HASH = b'()"#'


class Reader:
    """A text, and how far it has been read."""

    __slots__ = ("at", "data")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def skip(self) -> int:
        """Pass white space, and return the byte that follows, -1 at the end."""
        found = _SPACE.match(self.data, self.at)
        self.at = self.at if found is None else found.end()
        return self.data[self.at] if self.at < len(self.data) else -1

    def fail(self, fault: Fault, detail: str) -> NoReturn:
        """Say what is wrong with what comes next."""
        if self.at >= len(self.data):
            raise Wrong(Fault.UNEXPECTED_END, len(self.data), f"the text ends where {detail}")
        byte = self.data[self.at]
        if byte < 0x20 and byte not in b"\t\r\n":
            raise Wrong(
                Fault.CONTROL_CHARACTER,
                self.at,
                f"the control character 0x{byte:02x} where {detail}",
            )
        raise Wrong(fault, self.at, f"{self.shown()} where {detail}")

    def shown(self) -> str:
        """Return what comes next, in a form fit for a sentence."""
        found = _RUN.match(self.data, self.at, self.at + _SHOWN)
        token = self.data[self.at : self.at + 1] if found is None else found[0]
        return ascii(token.decode("utf-8", "replace"))

    def enter(self, fault: Fault, detail: str) -> None:
        """Read an opening parenthesis."""
        if self.skip() != _OPEN:
            self.fail(fault, detail)
        self.at += 1

    def leaves(self, detail: str) -> bool:
        """Read a closing parenthesis if one comes next; the end of the text is an error."""
        byte = self.skip()
        if byte < 0:
            self.fail(Fault.UNEXPECTED_END, detail)
        if byte != _CLOSE:
            return False
        self.at += 1
        return True

    def keyword(self, fault: Fault, detail: str) -> bytes:
        """Read a token in lower case: case does not matter in keywords."""
        self.skip()
        found = _RUN.match(self.data, self.at)
        if found is None:
            self.fail(fault, detail)
        self.at = found.end()
        return found[0].lower()

    def word(self, detail: str) -> str:
        """Read a word; a number or a time is one where its first character allows."""
        self.skip()
        found = _RUN.match(self.data, self.at)
        if found is None or found[0][0] in _NO_WORD:
            self.fail(Fault.NOT_A_WORD, detail)
        return self._text(found)

    def string(self, detail: str) -> str | bytes:
        """Read a string: quoted, length-encoded, or a bare word, which is tolerated."""
        byte = self.skip()
        if byte == _QUOTE:
            return self.quoted()
        if byte == _HASH:
            return self._counted()
        found = _RUN.match(self.data, self.at)
        if found is None or found[0][0] in _NO_WORD:
            self.fail(Fault.NOT_A_STRING, detail)
        return self._text(found)

    def time(self, detail: str) -> DateTime:
        """Read a time."""
        self.skip()
        found = _RUN.match(self.data, self.at)
        matched = None if found is None else _TIME.fullmatch(found[0])
        if found is None or matched is None:
            self.fail(Fault.NOT_A_TIME, detail)
        made = _time(matched, self.at)
        self.at = found.end()
        return made

    def atom(self, detail: str) -> Expression:
        """Read an expression that is no list."""
        byte = self.skip()
        if byte == _QUOTE:
            return String(self.quoted())
        if byte == _HASH:
            return String(self._counted())
        found = _RUN.match(self.data, self.at)
        if found is None:
            self.fail(Fault.NOT_AN_EXPRESSION, detail)
        if byte in _MAYBE_NUMBER:
            token = found[0]
            matched = _TIME.fullmatch(token)
            if matched is not None:
                made = _time(matched, self.at)
                self.at = found.end()
                return made
            if _NUMBER.fullmatch(token) is not None:
                self.at = found.end()
                return Number(token.decode("ascii"))
        if byte in _NO_WORD:
            self.fail(Fault.NOT_AN_EXPRESSION, "a word, string, number, time or list is due")
        text = self._text(found)
        # It would be written in quotes, so it is read as what it would be then.
        return String(text) if '"' in text else Word(text)

    def quoted(self) -> str:
        """Read a quoted string."""
        begin = self.at
        found = _QUOTED.match(self.data, begin)
        if found is None:
            raise Wrong(Fault.UNTERMINATED_STRING, begin, "the string has no closing quote")
        self.at = found.end()
        self._delimit()
        inner = self.data[begin + 1 : found.end() - 1]
        return self._decoded(inner, begin + 1).replace('\\"', '"')

    def _counted(self) -> str | bytes:
        """Read a length-encoded string."""
        begin = self.at
        found = _LENGTH.match(self.data, begin)
        if found is None:
            raise Wrong(Fault.BAD_LENGTH, begin, 'a length-encoded string begins #digits"')
        digits = found[1].lstrip(b"0")
        left = len(self.data) - found.end()
        if len(digits) > _MOST_DIGITS or int(digits or b"0") > left:
            raise Wrong(
                Fault.TOO_FEW_BYTES,
                begin,
                f"the string is longer than the {left} bytes that are left",
            )
        self.at = found.end() + int(digits or b"0")
        self._delimit()
        value = self.data[found.end() : self.at]
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return value

    def _delimit(self) -> None:
        """See that a delimiter follows: the end of the text, or a byte that no word may contain."""
        if (
            self.at < len(self.data)
            and self.data[self.at] > 0x20
            and self.data[self.at] not in b"()"
        ):
            raise Wrong(
                Fault.MISSING_DELIMITER,
                self.at,
                "white space or a parenthesis must follow a string",
            )

    def _text(self, found: re.Match[bytes]) -> str:
        text = self._decoded(found[0], self.at)
        self.at = found.end()
        return text

    @staticmethod
    def _decoded(token: bytes, begin: int) -> str:
        try:
            return token.decode("utf-8")
        except UnicodeDecodeError as error:
            raise Wrong(Fault.NOT_UTF8, begin + error.start, "the text is no UTF-8 here") from None


def is_word(text: str) -> bool:
    """Tell whether a text may stand as a bare word.

    >>> is_word("net#4?"), is_word("7up"), is_word("-low"), is_word("a b")
    (True, False, False, False)
    """
    return _PLAIN_WORD.fullmatch(text) is not None


def is_numeric(text: str) -> bool:
    """Tell whether a bare token of this text would be a number or a time.

    >>> is_numeric("1e3"), is_numeric("+5"), is_numeric("20300101T000000000Z"), is_numeric("five")
    (True, True, True, False)
    """
    token = text.encode("utf-8", "replace")
    return is_number(text) or _TIME.fullmatch(token) is not None


def is_number(text: str) -> bool:
    """Tell whether a bare token of this text would be a number.

    >>> is_number("3."), is_number(".5"), is_number("."), is_number("1e")
    (True, True, False, False)
    """
    return _NUMBER.fullmatch(text.encode("utf-8", "replace")) is not None


def read_time(text: str) -> DateTime | None:
    """Read a time; None for any other text, and for a time there is not.

    >>> read_time("+00000000T001000000").minute, read_time("20010229T000000000Z")
    (10, None)
    """
    matched = _TIME.fullmatch(text.encode("utf-8", "replace"))
    try:
        return None if matched is None else _time(matched, 0)
    except Wrong:
        return None


_PLAIN_WORD: Final = re.compile(r'[^\x00-\x20()#"@0-9-][^\x00-\x20()]*+')


def _time(found: re.Match[bytes], offset: int) -> DateTime:
    """Make a time of its digits; only an absolute one must be one of the calendar."""
    sign, year, month, day, hour, minute, second, millisecond, zone = (
        part.decode("ascii") for part in found.groups()
    )
    made = DateTime(
        int(year), int(month), int(day), int(hour), int(minute), int(second), int(millisecond),
        "+" if sign == "+" else "-" if sign else "", zone,
    )  # fmt: skip
    if not sign and not _exists(made):
        text = found[0].decode("ascii")
        raise Wrong(Fault.TIME_OUT_OF_RANGE, offset, f"there is no time {text}")
    return made


def _exists(time: DateTime) -> bool:
    return (
        time.year > 0
        and 1 <= time.month <= 12
        and 1 <= time.day <= calendar.monthrange(time.year, time.month)[1]
        and time.hour < 24
        and time.minute < 60
        and time.second < 60
    )
