"""Expressions of ACL's string form as JSON values, and back.

Rules:
- Words and strings are text, numbers are numbers, lists are lists.
- What JSON has no value for is an object of one key: `date_time`, `number` (one JSON can't hold exactly), `base64`.
- What has no expression of its own (an object, true, false, null) is not translated here: see `acl_documents.py`.
"""

from __future__ import annotations

import base64
import binascii
import math
from typing import Any, Final

from caxton_core.acl_printer import print_expression, print_time, text_of
from caxton_core.acl_tokens import is_number, read_time
from caxton_core.acl_values import DateTime, Expression, Number, String, Word

_SHORT: Final = 16
_LONGEST: Final = 40


class NoExpression(Exception):
    """A JSON value that no expression stands for."""


def value_of(expression: Expression) -> Any:
    """Return the JSON value of an expression.

    >>> value_of((Word("a"), Number("1e3"), String(b"\\xff"), Number("1" * 50)))[:3]
    ['a', 1000.0, {'base64': '/w=='}]
    """
    if isinstance(expression, tuple):
        return [value_of(item) for item in expression]
    if isinstance(expression, Word):
        return expression.text
    if isinstance(expression, Number):
        return _number(expression.text)
    if isinstance(expression, DateTime):
        return {"date_time": print_time(expression)}
    if isinstance(expression.value, bytes):
        return {"base64": base64.b64encode(expression.value).decode("ascii")}
    return expression.value


def _number(text: str) -> Any:
    """Return an integer or a float that stands for a text, unless digits would be lost."""
    if len(text) <= _LONGEST:
        if text.lstrip("+-").isdigit():
            return int(text)
        number = float(text)
        lost = number == 0 and any(digit in "123456789" for digit in text.lower().partition("e")[0])
        if math.isfinite(number) and (repr(number) == text or (len(text) <= _SHORT and not lost)):
            return number
    return {"number": text}


def expression_of(value: Any) -> Expression:
    """Return the expression that `value_of` makes this JSON value of.

    >>> expression_of(["a", 7, "7", {"date_time": "20300101T000000000Z"}])[:3]
    (Word(text='a'), Number(text='7'), String(value='7'))

    Raises:
        NoExpression: there is none.
    """
    made: Expression | None = None
    if isinstance(value, str):
        return text_of(value)
    if isinstance(value, list):
        return tuple([expression_of(item) for item in value])
    if isinstance(value, int) and not isinstance(value, bool):
        if value.bit_length() <= 128:
            made = Number(str(value))
    elif isinstance(value, float):
        if math.isfinite(value):
            made = Number(repr(value))
    elif isinstance(value, dict) and len(value) == 1:
        ((key, text),) = value.items()
        made = _tagged(key, text) if isinstance(text, str) else None
        if made is not None and value_of(made) != value:
            made = None
    if made is None:
        raise NoExpression
    return made


def _tagged(key: Any, text: str) -> Expression | None:
    if key == "date_time":
        return read_time(text)
    if key == "number":
        return Number(text) if is_number(text) else None
    if key == "base64":
        try:
            return String(base64.b64decode(text, validate=True))
        except (binascii.Error, ValueError):
            return None
    return None


def name_of(expression: Expression) -> str:
    """Return the text of an expression where JSON has text only: a list as it is written.

    >>> name_of(Number("007")), name_of((Word("a"), String("b")))
    ('007', '(a "b")')
    """
    if isinstance(expression, Word | Number):
        return expression.text
    if isinstance(expression, String) and isinstance(expression.value, str):
        return expression.value
    written = expression.value if isinstance(expression, String) else print_expression(expression)
    return written.decode("utf-8", "backslashreplace")  # type: ignore[union-attr]  # text has returned
