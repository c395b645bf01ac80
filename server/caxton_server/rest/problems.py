"""Errors over HTTP: ONE table from an error's code to its status, and `application/problem+json`.

Rules:
- Every error the API answers is a Struct with a `code`; its row in `CODES` is the only place with its status.
- What has no row is a bug of ours: 500, logged with the trace id that the client was given.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from caxton_core.errors import FieldError, NotAuthorized, Problem

MEDIA_TYPE = "application/problem+json"


class Code(msgspec.Struct, frozen=True):
    """How a code looks over HTTP; `retry_after` in seconds where trying again makes sense."""

    status: int
    title: str
    retry_after: int | None = None


CODES: Final[Mapping[str, Code]] = {
    # What the client sent
    "invalid_request": Code(400, "Invalid request"),
    "sender_not_allowed": Code(400, "The API sets the sender"),
    "not_authorized": Code(401, "Not authorized"),
    "forbidden": Code(403, "Forbidden"),
    "not_found": Code(404, "Not found"),
    "method_not_allowed": Code(405, "Method not allowed"),
    "request_timeout": Code(408, "The request did not arrive in time"),
    "conflict": Code(409, "Conflict"),
    "idempotency_key_reused": Code(422, "Idempotency-Key used before"),
    "rolled_back": Code(409, "Rolled back"),
    "gone": Code(410, "Gone"),
    "precondition_failed": Code(412, "Precondition failed"),
    "payload_too_large": Code(413, "Payload too large"),
    "unsupported_media_type": Code(415, "Unsupported media type"),
    "invalid_value": Code(422, "Invalid value"),
    "rate_limited": Code(429, "Too many requests", retry_after=1),
    # Agents and modules
    "agent_not_found": Code(404, "Agent not found"),
    "agent_exists": Code(409, "Agent exists"),
    "invalid_transition": Code(409, "Invalid transition"),
    "invalid_manifest": Code(422, "Invalid manifest"),
    "validation_failed": Code(422, "Version refused"),
    "invalid_module": Code(422, "Invalid module"),
    "invalid_signature": Code(422, "Invalid signature"),
    "untrusted_module": Code(422, "Untrusted module"),
    "start_failed": Code(422, "The agent did not start"),
    "execution_failed": Code(422, "The agent failed"),
    "limit_exceeded": Code(422, "Limit exceeded"),
    # Messages and conversations
    "invalid_message": Code(422, "Invalid message"),
    "unknown_protocol": Code(422, "Unknown protocol"),
    "conversation_not_found": Code(404, "Conversation not found"),
    "not_admitted": Code(409, "Not admitted"),
    "delivery_failed": Code(409, "Not delivered"),
    "mailbox_full": Code(503, "Mailbox full", retry_after=1),
    "timeout": Code(504, "Timeout"),
    # The node
    "internal": Code(500, "Internal error"),
    "invalid_setting": Code(500, "Invalid setting"),
    "plugin_error": Code(500, "Broken plugin"),
    "telemetry_unavailable": Code(500, "No telemetry"),
    "not_implemented": Code(501, "Not implemented"),
    "unavailable": Code(503, "Unavailable", retry_after=1),
    "not_ready": Code(503, "Not ready", retry_after=1),
    "storage_unavailable": Code(503, "Storage unavailable", retry_after=5),
    "storage_full": Code(507, "Storage full", retry_after=30),
}


# What the edge itself refuses


class InvalidRequest(Problem, frozen=True):
    """A query, a header or a body that can't be read; paths beginning with `?` name parameters."""

    detail: str
    errors: tuple[FieldError, ...] = ()
    code = "invalid_request"
    SENTENCE = "{detail}"


class SenderNotAllowed(Problem, frozen=True):
    """A message from the API that names a sender."""

    sender: str
    code = "sender_not_allowed"
    SENTENCE = "Messages from the API come from {sender}: leave out `sender`."


class MethodNotAllowed(Problem, frozen=True):
    """A path that exists, asked with another method."""

    method: str
    allowed: tuple[str, ...]
    code = "method_not_allowed"
    SENTENCE = "{method} is not allowed here."


class RequestTimeout(Problem, frozen=True):
    """A body that came too slowly."""

    seconds: float
    code = "request_timeout"
    SENTENCE = "The body did not arrive within {seconds:g} s."


class PreconditionFailed(Problem, frozen=True):
    """An If-Match that names another version of the resource."""

    etag: str
    code = "precondition_failed"
    SENTENCE = "The resource has changed: its ETag is now {etag}."


class UnsupportedMediaType(Problem, frozen=True):
    """A body of a kind this route does not read."""

    media: str
    wanted: str
    code = "unsupported_media_type"
    SENTENCE = "This route does not read {media}; send {wanted}."


class Unavailable(Problem, frozen=True):
    """The node is starting or stopping."""

    phase: str
    code = "unavailable"
    SENTENCE = "The node is {phase}."


class NotReady(Problem, frozen=True):
    """At least one readiness check fails; `errors` names each."""

    errors: tuple[FieldError, ...]
    code = "not_ready"
    SENTENCE = "The node is not ready."


class Internal(Problem, frozen=True):
    """A bug of ours; the log has it under the same trace id."""

    code = "internal"
    SENTENCE = "Something went wrong in the server; its log has more under this trace id."


# Over the wire


class ErrorItem(msgspec.Struct, frozen=True, omit_defaults=True):
    """One finding: where (a JSON pointer into the body, or a query parameter) and what."""

    detail: str
    pointer: str = ""
    parameter: str = ""
    nearest: str = ""


class ProblemView(msgspec.Struct, frozen=True, omit_defaults=True):
    """The body of every error, RFC 9457; `reason` is a word from a closed list where there is one."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    trace_id: str
    reason: str = ""
    errors: tuple[ErrorItem, ...] = ()


def code_of(error: object) -> str | None:
    """Return the code of an error that has a row, None for anything else.

    >>> code_of(Internal())
    'internal'
    """
    code = getattr(error, "code", None)
    return code if isinstance(code, str) and code in CODES else None


def describe(error: object, trace_id: str) -> ProblemView:
    """Describe an error to a client; one without a row in `CODES` as an internal one."""
    code = code_of(error)
    if code is None:
        error, code = Internal(), Internal.code
    row = CODES[code]
    return ProblemView(
        type=f"urn:caxton:problem:{code}",
        title=row.title,
        status=row.status,
        detail=str(error),
        code=code,
        trace_id=trace_id,
        reason=_text(getattr(error, "reason", "")),
        errors=_items(error),
    )


def headers_of(error: object) -> dict[str, str]:
    """Return the headers that go with an error: Allow, Retry-After, WWW-Authenticate."""
    headers: dict[str, str] = {}
    row = CODES[code_of(error) or Internal.code]
    seconds = getattr(error, "retry_after", row.retry_after)
    if seconds is not None:
        headers["Retry-After"] = str(max(1, round(seconds)))
    if isinstance(error, MethodNotAllowed):
        headers["Allow"] = ", ".join(error.allowed)
    if isinstance(error, NotAuthorized):
        headers["WWW-Authenticate"] = 'Bearer realm="caxton"'
    return headers


def _items(error: object) -> tuple[ErrorItem, ...]:
    found = getattr(error, "errors", None)
    if not found:
        detail, path = _text(getattr(error, "detail", "")), _text(getattr(error, "path", ""))
        if not path and _PLACE in detail:
            at = finding(msgspec.ValidationError(detail))
            detail, path = at.detail, at.path
        return (ErrorItem(detail, pointer=path),) if path else ()
    return tuple(_item(entry) for entry in found)


def _item(entry: FieldError | str) -> ErrorItem:
    if isinstance(entry, str):
        return ErrorItem(entry)
    if entry.path.startswith("?"):
        return ErrorItem(entry.detail, parameter=entry.path[1:], nearest=entry.nearest)
    return ErrorItem(entry.detail, pointer=entry.path, nearest=entry.nearest)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


_PLACE = " - at `$"
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]")


def finding(error: msgspec.ValidationError, *, parameter: bool = False) -> FieldError:
    """Split msgspec's sentence into the place and what is wrong there.

    >>> finding(msgspec.ValidationError("Expected `int`, got `str` - at `$.a[0].b`"))
    FieldError(path='/a/0/b', detail='Expected `int`, got `str`', nearest='')
    """
    detail, at, place = str(error).partition(_PLACE)
    steps = [name or number for name, number in _STEP.findall(place.rstrip("`"))] if at else []
    return FieldError(
        "?" + "".join(steps[:1]) if parameter else "".join(f"/{s}" for s in steps), detail
    )
