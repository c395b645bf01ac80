"""Documents from outside, already loaded from YAML or JSON: read piece by piece, with every mistake gathered.

Rules:
- What is wrong is noted with where it is (a JSON pointer), and reading goes on with a value of the right type.
- An unknown key is a mistake, told with the nearest known one.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeVar, cast

import msgspec
from returns.result import Failure, Result, Success

from caxton_core.errors import FieldError, InvalidValue
from caxton_core.units import ByteSize

T = TypeVar("T")

_LARGEST: Final = 1 << 40


class Reader:
    """Reads a document and gathers what is wrong with it."""

    def __init__(self) -> None:
        self.errors: list[FieldError] = []

    def wrong(self, path: str, detail: str, nearest: str = "") -> None:
        """Note a mistake."""
        self.errors.append(FieldError(path, detail, nearest))

    def keys(self, value: object, path: str, known: tuple[str, ...]) -> Mapping[str, Any]:
        """Return a mapping without its unknown keys, which are errors."""
        if not isinstance(value, Mapping):
            self.wrong(path, f"expected a mapping, got {kind_of(value)}")
            return {}
        for key in value:
            if key not in known:
                pointer = str(key).replace("~", "~0").replace("/", "~1")
                self.wrong(f"{path}/{pointer}", "unknown key", nearest(str(key), known))
        return {key: value[key] for key in known if key in value}

    def text(self, value: object, path: str, *, longest: int = 255) -> str:
        """Read one line of text."""
        if not isinstance(value, str):
            quote = "; put it in quotes" if isinstance(value, int | float) else ""
            self.wrong(path, f"expected text, got {kind_of(value)}{quote}")
            return ""
        if len(value) > longest or not value.isprintable():
            self.wrong(path, f"expected printable text of at most {longest} characters")
        return value

    def one_of(self, value: object, path: str, choices: tuple[str, ...]) -> Any:
        """Read a word that is one of some."""
        if value not in choices:
            self.wrong(
                path,
                f"expected one of {', '.join(choices)}, got {value!r}",
                nearest(str(value), choices),
            )
        return value

    def number(self, value: object, path: str, *, least: int = 1, most: int = _LARGEST) -> int:
        """Read a whole number."""
        if type(value) is not int:
            self.wrong(path, f"expected a whole number, got {kind_of(value)}")
            return least
        if not least <= value <= most:
            self.wrong(path, f"expected a number from {least} to {most}, got {value}")
        return value

    def size(self, value: object, path: str) -> ByteSize:
        """Read a number of bytes, or text with a suffix."""
        found: Result[ByteSize, InvalidValue]
        if isinstance(value, str):
            found = ByteSize.parse(value)
        else:
            found = Success(ByteSize(self.number(value, path, least=0)))
        match found:
            case Success(size):
                if size > _LARGEST:
                    self.wrong(path, f"expected at most {ByteSize.format(_LARGEST)}")
                return cast("ByteSize", size)
            case Failure(error):
                self.wrong(path, str(error).rstrip("."))
        return ByteSize(0)

    def items(self, value: object, path: str, read: Callable[[object, str], T]) -> tuple[T, ...]:
        """Read a list, each item with `read`."""
        if not isinstance(value, list | tuple):
            self.wrong(path, f"expected a list, got {kind_of(value)}")
            return ()
        return tuple(read(item, f"{path}/{index}") for index, item in enumerate(value))

    def plain(self, value: object, path: str) -> dict[str, Any]:
        """Read any mapping that has a form in JSON."""
        if not isinstance(value, Mapping):
            self.wrong(path, f"expected a mapping, got {kind_of(value)}")
            return {}
        try:
            plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(value))
        except (TypeError, ValueError, RecursionError) as error:
            self.wrong(path, f"it has no form in JSON: {error}")
            return {}
        return plain


def nearest(key: str, known: Iterable[str]) -> str:
    """Return the known key that one resembles, or nothing.

    >>> nearest("memroy", ["limits", "memory"])
    'memory'
    """
    return next(iter(difflib.get_close_matches(key, list(known), n=1, cutoff=0.5)), "")


def kind_of(value: object) -> str:
    """Return what to call a value in a sentence.

    >>> kind_of({}), kind_of(1.5)
    ('a mapping', 'a number')
    """
    names = {
        dict: "a mapping",
        list: "a list",
        str: "text",
        bool: "a truth value",
        type(None): "nothing",
    }
    return names.get(
        type(value), "a number" if isinstance(value, int | float) else type(value).__name__
    )
