"""What the string form of a message and its JSON form call the same things.

Rules:
- `x_` names and `X-` names correspond character by character, a hyphen to an underscore and an underscore to a hyphen.
- A field that FIPA does not have is an `X-` parameter.
"""

from __future__ import annotations

from typing import Final

from caxton_core.errors import InvalidMessage

TEXT_FIELDS: Final = (
    "language",
    "encoding",
    "ontology",
    "conversation_id",
    "reply_with",
    "in_reply_to",
)
ID: Final = "X-caxton-id"
TIMESTAMP: Final = "X-caxton-timestamp"
TRACE: Final = "X-traceparent"
JSON_TEXT: Final = "X-caxton-json"
RESERVED: Final = frozenset({ID.lower(), TIMESTAMP.lower(), JSON_TEXT.lower()})
_SWAPPED: Final = str.maketrans("-_", "_-")


class Refused(Exception):
    """Ends a translation: what is wrong, and where (a JSON pointer)."""

    def __init__(self, detail: str, path: str) -> None:
        super().__init__(detail)
        self.error = InvalidMessage(detail, path)


def key_of(name: str) -> str:
    """Return the JSON name of a user-defined parameter."""
    return f"{'x' if name[:1] == 'X' else 'X'}_{name[2:].translate(_SWAPPED)}"


def parameter_of(key: str) -> str:
    """Return the name of the user-defined parameter that a JSON name stands for.

    >>> parameter_of("x_redrive_of"), key_of("X-redrive-of")
    ('X-redrive-of', 'x_redrive_of')
    """
    return f"{'X' if key[:1] == 'x' else 'x'}-{key[2:].translate(_SWAPPED)}"
