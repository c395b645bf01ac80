"""What a call of the REST API can come to instead of an answer, with the exit code each stands for."""

from __future__ import annotations

from typing import ClassVar, TypeAlias

import msgspec
from caxton_core.errors import Problem

FAILURE, NOT_FOUND, CONFLICT, AUTH, TIMEOUT = 1, 3, 4, 5, 6

_EXIT_CODES = {
    401: AUTH,
    403: AUTH,
    404: NOT_FOUND,
    408: TIMEOUT,
    409: CONFLICT,
    412: CONFLICT,
    428: CONFLICT,
    504: TIMEOUT,
}


class Finding(msgspec.Struct, frozen=True):
    """One entry of a problem's `errors`."""

    detail: str = ""
    pointer: str = ""
    parameter: str = ""
    nearest: str = ""

    def __str__(self) -> str:
        place = self.parameter or self.pointer
        hint = f"; did you mean {self.nearest}?" if self.nearest else ""
        return f"{place}: {self.detail}{hint}" if place else f"{self.detail}{hint}"


class Refused(msgspec.Struct, frozen=True):
    """The server's own `application/problem+json`; `later` says that it asks to be tried again."""

    status: int
    code: str
    detail: str
    title: str = ""
    trace_id: str = ""
    reason: str = ""
    errors: tuple[Finding, ...] = ()
    later: bool = False

    @property
    def exit_code(self) -> int:
        """Return the exit code that docs/cli.md gives this status."""
        return _EXIT_CODES.get(self.status, FAILURE)

    def __str__(self) -> str:
        findings = [str(finding) for finding in self.errors]
        return "\n".join([self.detail, *(f for f in findings if f not in self.detail)])


class Unreachable(Problem, frozen=True):
    """No server answers at this URL."""

    url: str
    detail: str
    exit_code: ClassVar[int] = TIMEOUT
    code = "unreachable"
    SENTENCE = "No answer from {url}: {detail}."


class TimedOut(Problem, frozen=True):
    """The server did not answer in time."""

    url: str
    seconds: float
    exit_code: ClassVar[int] = TIMEOUT
    code = "timeout"
    SENTENCE = "{url} did not answer within {seconds:g} s."


class BadAnswer(Problem, frozen=True):
    """Something answers at this URL, but not in the way Caxton does."""

    url: str
    status: int
    detail: str
    exit_code: ClassVar[int] = FAILURE
    code = "bad_answer"
    SENTENCE = "{url} answered {status} in a way this client does not read: {detail}."


ClientError: TypeAlias = Refused | Unreachable | TimedOut | BadAnswer
