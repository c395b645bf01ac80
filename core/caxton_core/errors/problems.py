"""What all errors share, and those that have no domain of their own."""

from __future__ import annotations

from typing import ClassVar

import msgspec


class Problem(msgspec.Struct, frozen=True, tag=True):
    """What every error has: a code for programs and a sentence for people."""

    code: ClassVar[str]
    SENTENCE: ClassVar[str]

    def __str__(self) -> str:
        return self.SENTENCE.format_map(msgspec.structs.asdict(self))


class FieldError(msgspec.Struct, frozen=True):
    """What is wrong at one place of a document; `path` is a JSON pointer, `nearest` the known key it resembles."""

    path: str
    detail: str
    nearest: str = ""

    def __str__(self) -> str:
        hint = f"; did you mean {self.nearest!r}?" if self.nearest else ""
        return f"{self.path or 'document'}: {self.detail}{hint}"


class InvalidValue(Problem, frozen=True):
    """Text or a number that is no `kind` (an id, a size, a percentage...)."""

    kind: str
    value: str
    detail: str
    code = "invalid_value"
    SENTENCE = "{value!r} is no {kind}: {detail}."


class NotFound(Problem, frozen=True):
    """There is no such thing: a deployment, module, message, dead letter, token..."""

    kind: str
    key: str
    code = "not_found"
    SENTENCE = "No {kind} {key!r}."


class Conflict(Problem, frozen=True):
    """What is asked contradicts what is there."""

    detail: str
    code = "conflict"
    SENTENCE = "Conflict: {detail}."


class KeyReused(Problem, frozen=True):
    """An Idempotency-Key that came with another request before."""

    key: str
    code = "idempotency_key_reused"
    SENTENCE = "The Idempotency-Key {key!r} came with another request before: every request needs one of its own."


class KeyUnderWay(Problem, frozen=True):
    """An Idempotency-Key whose first request is not answered yet."""

    key: str
    code = "conflict"
    retry_after: ClassVar[int] = 1
    SENTENCE = "Conflict: the first request with the Idempotency-Key {key!r} is under way; its answer is yours later."


class NotImplementedYet(Problem, frozen=True):
    """Contract.md names it, this build lacks it."""

    what: str
    code = "not_implemented"
    SENTENCE = "This build lacks {what}."
