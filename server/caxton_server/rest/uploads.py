"""What `POST /agents` and `POST /deployments` take: a manifest, and perhaps its module.

Four forms, one result: multipart parts, JSON with `manifest` and `module_base64`, a manifest alone
in JSON, a manifest alone in YAML.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from typing import Any, TypeAlias

import msgspec
import yaml
from caxton_core.errors import FieldError, InvalidManifest, InvalidSignature, PayloadTooLarge
from caxton_core.nesting import MAX_NESTING
from caxton_core.resources import Manifest
from caxton_core.signatures import Signature
from returns.result import Failure, Result, Success

from caxton_server.config import Config
from caxton_server.rest import bodies, multiparts
from caxton_server.rest.calls import KIB, MODULE_LIMIT, Body, Call
from caxton_server.rest.problems import InvalidRequest

MANIFEST_LIMIT = 256 * KIB
_MOST_VALUES = 10_000
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_YAML = ("application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml")
_PARTS = ("manifest", "module", "signature", "agent", "strategy")


class UploadBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The JSON form: the manifest as an object or as text, the module in Base64."""

    manifest: dict[str, Any] | str
    module_base64: str | None = None
    signature: str | None = None
    agent: str | None = None
    strategy: Any = None


class Upload(msgspec.Struct, frozen=True):
    """A manifest, decoded but not yet checked, and what came with it."""

    manifest: dict[str, Any]
    module: bytes | None = None
    agent: str | None = None
    strategy: Any = None
    signature: Signature | None = None


BODY = Body(
    media={
        "multipart/form-data": UploadBody,
        "application/json": UploadBody,
        **dict.fromkeys(_YAML, dict[str, Any]),
    },
    limit=MODULE_LIMIT,
)

UploadError: TypeAlias = InvalidRequest | InvalidSignature | PayloadTooLarge


def manifest_of(upload: Upload, config: Config) -> Result[Manifest, InvalidManifest]:
    """Check the manifest of an upload, with the node's own limits as defaults."""
    return Manifest.parse(upload.manifest, defaults=config.runtime.limits.default)


async def read(call: Call[Any]) -> Result[Upload, UploadError]:
    """Read an upload in whichever form it came; a large one takes a while, so not on the loop."""
    return await asyncio.to_thread(_read, call)


def _read(call: Call[Any]) -> Result[Upload, UploadError]:
    media = call.request.content_type
    if media == "multipart/form-data":
        return _multipart(call)
    if media == "application/json" or (media not in _YAML and _is_object(call.body)):
        return _json(call.body)
    return _manifest(call.body).map(Upload)


def _is_object(data: bytes) -> bool:
    return data[:64].lstrip().startswith(b"{")


def _json(data: bytes) -> Result[Upload, UploadError]:
    fields = bodies.decode(data, dict[str, Any])
    if isinstance(fields, Failure):
        return fields
    if "manifest" not in fields.unwrap():
        return _manifest(data).map(Upload)
    body = bodies.decode(data, UploadBody)
    return body if isinstance(body, Failure) else _unpack(body.unwrap())


def _unpack(body: UploadBody) -> Result[Upload, UploadError]:
    module: bytes | None = None
    if body.module_base64 is not None:
        try:
            module = base64.b64decode(body.module_base64, validate=True)
        except (binascii.Error, ValueError):
            wrong = FieldError("/module_base64", "is no Base64")
            return Failure(InvalidRequest("The body is not valid.", (wrong,)))
    manifest: Result[dict[str, Any], UploadError] = (
        _manifest(body.manifest.encode())
        if isinstance(body.manifest, str)
        else Success(body.manifest)
    )
    return manifest.bind(
        lambda found: _signed(Upload(found, module, body.agent, body.strategy), body.signature)
    )


def _signed(upload: Upload, text: str | bytes | None) -> Result[Upload, UploadError]:
    """Add the signature that came with an upload, if one did."""
    if text is None:
        return Success(upload)
    return Signature.parse(text).map(
        lambda signature: msgspec.structs.replace(upload, signature=signature)
    )


def _multipart(call: Call[Any]) -> Result[Upload, UploadError]:
    boundary = multiparts.boundary_of(call.request.headers["Content-Type"])
    parts = multiparts.split(call.body, boundary)
    return parts if isinstance(parts, Failure) else _from_parts(parts.unwrap())


def _from_parts(parts: dict[str, multiparts.Part]) -> Result[Upload, UploadError]:
    for name in parts:
        if name not in _PARTS:
            wrong = FieldError(f"/{name}", f"no such part; there are {', '.join(_PARTS)}")
            return Failure(InvalidRequest("The multipart body is not valid.", (wrong,)))
    if "manifest" not in parts:
        wrong = FieldError("/manifest", "the part is missing")
        return Failure(InvalidRequest("The multipart body is not valid.", (wrong,)))
    module = parts["module"].data if "module" in parts else None
    agent, strategy = (
        parts[name].data.decode("utf-8", "replace").strip() if name in parts else None
        for name in ("agent", "strategy")
    )
    signature = parts["signature"].data if "signature" in parts else None
    return _manifest(parts["manifest"].data).bind(
        lambda found: _signed(Upload(found, module, agent, strategy), signature)
    )


def _manifest(data: bytes) -> Result[dict[str, Any], UploadError]:
    """Decode a manifest from JSON or YAML; aliases that multiply it are refused."""
    if len(data) > MANIFEST_LIMIT:
        return Failure(PayloadTooLarge("manifest", len(data), MANIFEST_LIMIT))
    if _is_object(data):
        # Most JSON is YAML, but not all of it, and it is read much faster.
        plain = bodies.decode(data, dict[str, Any])
        if isinstance(plain, Success):
            return plain
    try:
        _walk(data)
        found = yaml.load(data, Loader=_LOADER)
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as error:
        return Failure(InvalidRequest(f"The manifest can't be read: {_short(error)}."))
    if _count(found) > _MOST_VALUES:
        return Failure(InvalidRequest(f"The manifest has more than {_MOST_VALUES} values."))
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
        return Failure(InvalidRequest("The manifest is no object."))
    return Success(found)


def _walk(data: bytes) -> None:
    """Refuse a document that is too deep or too long before anything recurses into it.

    The loader in C does not notice the end of its stack, and takes time with the square of the depth.
    """
    depth = 0
    for number, event in enumerate(yaml.parse(data, Loader=_LOADER)):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_NESTING:
            raise ValueError(f"it is nested deeper than {MAX_NESTING} levels")
        if number > _MOST_VALUES:
            raise ValueError(f"it has more than {_MOST_VALUES} values")


def _count(document: object) -> int:
    """Count the values in a document, each as often as it is referred to, until they are too many."""
    counted, waiting = 0, [document]
    while waiting and counted <= _MOST_VALUES:
        value = waiting.pop()
        counted += 1
        if isinstance(value, dict | list):
            waiting.extend(value.values() if isinstance(value, dict) else value)
    return counted


def _short(error: Exception) -> str:
    """Say in one line what a YAML error says in many, with its place."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"{error.problem} at line {mark.line + 1}, column {mark.column + 1}"
    return " ".join(str(error).split())
