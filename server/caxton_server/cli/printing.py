"""What commands print: JSON for programs, aligned columns and pairs for people.

Rules:
- Text of agents is shown to a terminal: `clean` takes out what could drive it. JSON escapes the same characters.
- Data goes to stdout, and `talk` to stderr.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import click

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def clean(text: str, *, lines: bool = True) -> str:
    r"""Replace control characters, and those that turn the direction of writing; newlines stay if `lines`.

    >>> clean("a\x1b[2Jb\nc")
    'a?[2Jb\nc'
    """
    return _CONTROL.sub(lambda found: "\n" if lines and found[0] == "\n" else "?", text)


def as_json(value: Any, *, line: bool = False) -> str:
    """Return a value as JSON that is safe to show, on one line if `line`."""
    import msgspec

    built = msgspec.to_builtins(value, enc_hook=str, str_keys=True)
    text = json.dumps(built, indent=None if line else 2, ensure_ascii=False)
    return _CONTROL.sub(lambda found: "\n" if found[0] == "\n" else f"\\u{ord(found[0]):04x}", text)


def data(value: Any, *, line: bool = False) -> None:
    """Print a value as JSON."""
    click.echo(as_json(value, line=line))


def talk(text: str) -> None:
    """Say something that is no data."""
    click.echo(clean(text), err=True)


def short(digest: str) -> str:
    """Return the beginning of a module's digest.

    >>> short("sha256:0123456789abcdef")
    '0123456789ab'
    """
    return digest.removeprefix("sha256:")[:12]


Columns: TypeAlias = Mapping[str, str | Callable[[Mapping[str, Any]], Any]]


def table(rows: Iterable[Mapping[str, Any]], columns: Columns) -> None:
    """Print rows under headings; a column is a key of the row or a function of it."""
    lines: list[list[str]] = [
        [cell(column(row) if callable(column) else row.get(column)) for column in columns.values()]
        for row in rows
    ]
    widths = [
        max(len(heading), *(len(line[at]) for line in lines), 0) if lines else len(heading)
        for at, heading in enumerate(columns)
    ]
    click.secho(_line([heading.upper() for heading in columns], widths), bold=True)
    for line in lines:
        click.echo(_line(line, widths))


def pairs(value: Mapping[str, Any]) -> None:
    """Print a mapping, one key a line."""
    width = max((len(key) for key in value), default=0)
    for key, item in value.items():
        click.echo(f"{click.style(key.ljust(width), bold=True)}  {cell(item)}")


def cell(value: Any) -> str:
    """Return a value as text for one line.

    >>> cell(None), cell(True), cell(["a", "b"]), cell({"x": 1})
    ('-', 'yes', 'a, b', '{"x": 1}')
    """
    if value is None or value in ("", [], ()):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return clean(value, lines=False)
    if isinstance(value, Sequence) and all(isinstance(item, str) for item in value):
        return clean(", ".join(value), lines=False)
    if isinstance(value, Mapping | Sequence):
        return clean(json.dumps(value, ensure_ascii=False, default=str), lines=False)
    return str(value)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = "  ".join(text.ljust(width) for text, width in zip(cells, widths, strict=True))
    return padded.rstrip()
