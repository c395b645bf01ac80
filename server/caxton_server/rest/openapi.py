"""The API described by itself: OpenAPI 3.1 from the route table and the Structs it names."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec
from caxton_core import __version__
from returns.result import Success

from caxton_server.rest import keys
from caxton_server.rest.calls import BASE, Answer, Call, NoQuery, Reply, Route
from caxton_server.rest.problems import MEDIA_TYPE, ProblemView

_REF = "#/components/schemas/{name}"
_VARIABLE = re.compile(r"\{(\w+)\}")


async def show(call: Call[NoQuery]) -> Reply:
    """Answer the description of the whole API."""
    return Success(Answer(call.edge.description))


def describe(routes: Iterable[Route]) -> dict[str, Any]:
    """Describe a route table."""
    rows = list(routes)
    types = _types(rows)
    schemas, components = msgspec.json.schema_components(types, ref_template=_REF)
    schema_of = {repr(kind): schema for kind, schema in zip(types, schemas, strict=True)}
    paths: dict[str, dict[str, Any]] = {}
    for route in rows:
        path = route.path if route.probe else BASE + route.path
        paths.setdefault(path, {})[route.method.lower()] = _operation(route, schema_of)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Caxton", "version": __version__},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"bearer": []}],
    }


def _types(routes: list[Route]) -> list[Any]:
    found: dict[str, Any] = {repr(ProblemView): ProblemView}
    for route in routes:
        bodies = route.body.media.values() if route.body is not None else ()
        for kind in (*route.answers.values(), *bodies):
            if kind is not None and kind is not bytes:
                found[repr(kind)] = kind
    return list(found.values())


def _operation(route: Route, schema_of: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": route.summary,
        "operationId": _operation_id(route),
        "parameters": [*_path_parameters(route), *_query_parameters(route), *_headers(route)],
        "responses": {
            **{
                str(status): _response(route, kind, schema_of)
                for status, kind in route.answers.items()
            },
            **_refusals(route, schema_of),
            "default": {
                "description": "An error.",
                "content": {MEDIA_TYPE: {"schema": schema_of[repr(ProblemView)]}},
            },
        },
    }
    if route.body is not None:
        operation["requestBody"] = {
            "required": route.body.required,
            "content": {
                media: {"schema": schema_of.get(repr(kind), {})}
                for media, kind in route.body.media.items()
            },
        }
    return operation


def _operation_id(route: Route) -> str:
    words = _VARIABLE.sub("one", route.path).replace(".", "/").replace("-", "/").split("/")
    return "_".join([route.method.lower(), *filter(None, words)])


def _keyed(route: Route) -> bool:
    """Tell whether a route honours Idempotency-Key: all that create or send do."""
    return route.method == "POST" and bool(route.answers)


def _headers(route: Route) -> list[dict[str, Any]]:
    if not _keyed(route):
        return []
    schema = {"type": "string", "minLength": 1, "maxLength": keys.LONGEST}
    return [
        {
            "name": keys.HEADER,
            "in": "header",
            "required": False,
            "schema": schema,
            "description": "Names the request: sent again within 24 hours, it is done once and answered as the first time.",
        }
    ]


def _refusals(route: Route, schema_of: dict[str, Any]) -> dict[str, Any]:
    """Describe what else a key can be answered with."""
    if not _keyed(route):
        return {}
    content = {MEDIA_TYPE: {"schema": schema_of[repr(ProblemView)]}}
    return {
        "409": {
            "description": "A conflict; with Retry-After when the first request under this Idempotency-Key is under way.",
            "content": content,
        },
        "422": {
            "description": "Not valid; `idempotency_key_reused` when this Idempotency-Key came with another request.",
            "content": content,
        },
    }


def _response(route: Route, kind: Any, schema_of: dict[str, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {"description": "Done."}
    if _keyed(route):
        again = {"schema": {"const": "true"}, "description": "This is the first answer again."}
        described["headers"] = {keys.REPLAYED: again}
    if kind is not None:
        media = "text/event-stream" if route.stream else "application/json"
        described["content"] = {media: {"schema": schema_of[repr(kind)]}}
    return described


def _path_parameters(route: Route) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _VARIABLE.findall(route.path)
    ]


def _query_parameters(route: Route) -> list[dict[str, Any]]:
    (_,), components = msgspec.json.schema_components([route.query], ref_template=_REF)
    schema = components[route.query.__name__]
    return [
        {
            "name": name,
            "in": "query",
            "required": name in schema.get("required", ()),
            "schema": kind,
        }
        for name, kind in schema.get("properties", {}).items()
    ]
