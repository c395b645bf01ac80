"""Query strings and paging: parameters are declared as a Struct, parsed once, unknown ones refused.

A cursor is opaque: it holds the node's own position and the list it belongs to.
"""

from __future__ import annotations

import base64
import binascii
import difflib
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, TypeVar

import msgspec
from caxton_core.errors import FieldError
from caxton_core.views import Page
from returns.result import Failure, Result, Success

from caxton_server.rest.problems import InvalidRequest, finding

if TYPE_CHECKING:
    from multidict import MultiMapping

Q = TypeVar("Q", bound=msgspec.Struct)
T = TypeVar("T")

_NUMBER = re.compile("[0-9]{1,18}")

Limit = Annotated[int, msgspec.Meta(ge=1, le=1000, description="Entries in a page.")]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=512)]
Cursor = Annotated[str, msgspec.Meta(min_length=1, max_length=1024, description="`next_cursor`.")]


class PageQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How much of a list is wanted, and from where."""

    limit: Limit = 100
    cursor: Cursor | None = None


def parse_query(
    given: MultiMapping[str] | Mapping[str, str], wanted: type[Q]
) -> Result[Q, InvalidRequest]:
    """Parse query parameters into the Struct that declares them.

    >>> parse_query({"limit": "5"}, PageQuery).unwrap()
    PageQuery(limit=5, cursor=None)
    >>> parse_query({"limt": "5"}, PageQuery).failure().errors[0].nearest
    'limit'
    """
    known = wanted.__struct_encode_fields__
    raw: dict[str, str] = {}
    errors: list[FieldError] = []
    for name, value in given.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            errors.append(FieldError(f"?{name}", "unknown parameter", near[0] if near else ""))
        elif name in raw:
            errors.append(FieldError(f"?{name}", "given more than once"))
        raw[name] = value
    if errors:
        return Failure(InvalidRequest("The query string is not valid.", tuple(errors)))
    try:
        return Success(msgspec.convert(raw, wanted, strict=False))
    except msgspec.ValidationError as error:
        return Failure(
            InvalidRequest("The query string is not valid.", (finding(error, parameter=True),))
        )


def seal_cursor(kind: str, position: str | None) -> str | None:
    """Make a position in the list `kind` into the cursor a client gets."""
    if position is None:
        return None
    return base64.urlsafe_b64encode(f"{kind}\n{position}".encode()).decode().rstrip("=")


def open_cursor(
    kind: str, cursor: str | None, *, number: bool = False
) -> Result[str | None, InvalidRequest]:
    """Read the position back from a cursor of the list `kind`, which is a number if `number`.

    >>> open_cursor("agents", seal_cursor("agents", "17")).unwrap()
    '17'
    """
    if cursor is None:
        return Success(None)
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        text = base64.b64decode(padded, altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        text = ""
    found, newline, position = text.partition("\n")
    if found == kind and newline and position and (_NUMBER.fullmatch(position) or not number):
        return Success(position)
    wrong = FieldError("?cursor", "not a next_cursor of this list")
    return Failure(InvalidRequest("The query string is not valid.", (wrong,)))


def seal_page(kind: str, page: Page[T]) -> Page[T]:
    """Return a page of the node with its position sealed into a cursor."""
    return Page(page.items, seal_cursor(kind, page.next_cursor))
