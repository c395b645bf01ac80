"""What can be wrong with a text in ACL's string form, and the exception that carries it to the end of the reading.

`Wrong` never leaves `acl_strings.py`, which makes an `InvalidAclString` of it.
"""

from __future__ import annotations

import enum


class Fault(enum.StrEnum):
    """What can be wrong with a text."""

    TOO_LARGE = "too-large"
    UNEXPECTED_END = "unexpected-end"
    CONTROL_CHARACTER = "control-character"
    NOT_UTF8 = "not-utf8"
    NO_MESSAGE = "no-message"
    TRAILING_TEXT = "trailing-text"
    UNKNOWN_ACT = "unknown-act"
    UNKNOWN_PARAMETER = "unknown-parameter"
    REPEATED_PARAMETER = "repeated-parameter"
    NOT_AN_AGENT = "not-an-agent"
    MISSING_NAME = "missing-name"
    NOT_A_SET = "not-a-set"
    NOT_A_SEQUENCE = "not-a-sequence"
    NOT_A_WORD = "not-a-word"
    NOT_A_STRING = "not-a-string"
    NOT_A_TIME = "not-a-time"
    TIME_OUT_OF_RANGE = "time-out-of-range"
    NOT_AN_EXPRESSION = "not-an-expression"
    TOO_DEEP = "too-deep"
    UNTERMINATED_STRING = "unterminated-string"
    MISSING_DELIMITER = "missing-delimiter"
    BAD_LENGTH = "bad-length"
    TOO_FEW_BYTES = "too-few-bytes"


class Wrong(Exception):
    """Ends the reading of a text at a byte of it."""

    def __init__(self, fault: Fault, offset: int, detail: str) -> None:
        super().__init__(detail)
        self.fault, self.offset, self.detail = fault, offset, detail
