"""The edge of the node: every request passes here, on its way in and on its way out.

Rules:
- What the route table declares is checked here, before a handler runs: query, body, limits.
- Every error leaves as `application/problem+json`, whoever found it.
- Probes answer in every phase and to everybody; all else only while serving, and to whom may ask.
"""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import structlog
from aiohttp import web
from caxton_core.errors import NotFound, PayloadTooLarge, StorageFault
from returns.result import Failure, Result, Success

from caxton_server.rest import bodies, guards, keys
from caxton_server.rest.calls import (
    BASE,
    EDGE,
    PLAIN_LIMIT,
    Answer,
    Call,
    Edge,
    Phase,
    Reply,
    Route,
    encode,
)
from caxton_server.rest.problems import (
    MEDIA_TYPE,
    Internal,
    InvalidRequest,
    MethodNotAllowed,
    Unavailable,
    code_of,
    describe,
    headers_of,
)
from caxton_server.rest.queries import parse_query
from caxton_server.runtime.keys import Kept
from caxton_server.telemetry import traces

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler as WebHandler

UNMATCHED = "unmatched"
DURABILITY = "Caxton-Durability"
"""The header that says what an acknowledgement is worth: disk, process or memory."""
_CHANGING = frozenset({"POST", "DELETE"})
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_LOG: Any = structlog.get_logger("caxton.http")


def application(edge: Edge, routes: Iterable[Route]) -> web.Application:
    """Return the web application that serves a route table."""
    app = web.Application(middlewares=[_observe], client_max_size=0)
    app[EDGE] = edge
    for route in routes:
        path = route.path if route.probe else BASE + route.path
        # A stream has no end, so nothing could answer HEAD for it.
        if route.method == "GET" and not route.stream:
            app.router.add_get(path, _endpoint(edge, route))
        else:
            app.router.add_route(route.method, path, _endpoint(edge, route))
    return app


def _endpoint(edge: Edge, route: Route) -> WebHandler:
    async def endpoint(request: web.Request) -> web.StreamResponse:
        trace_id = traces.current()
        match await _admit(edge, route, request, trace_id):
            case Success(call):
                response = await _answer(route, call)
                if route.method in _CHANGING and response.status < 400:
                    response.headers[DURABILITY] = call.node.storage.durability
                return response
            case Failure(error):
                return problem(error, trace_id)
        raise AssertionError("a Result is a Success or a Failure")

    return endpoint


async def _answer(route: Route, call: Call[Any]) -> web.StreamResponse:
    """Let a handler answer, once for each Idempotency-Key."""
    key = keys.key_of(call.request) if route.method == "POST" else Success(None)
    if isinstance(key, Failure):
        return problem(key.failure(), call.trace_id)
    if key.unwrap() is None:
        return _render(await route.handler(call), call.trace_id)
    digest = await keys.digest_of(call.request, call.body)
    claimed = await call.node.claim(keys.client_of(call.edge), key.unwrap() or "", digest)
    if isinstance(claimed, Failure):
        return problem(claimed.failure(), call.trace_id)
    claim = claimed.unwrap()
    if isinstance(claim, Kept):
        return keys.response_of(claim, again=True)
    again = claim.reference != ""
    try:
        reply = await route.handler(dataclasses.replace(call, claim=claim))
    finally:
        claim.end()
    if claim.kept is not None and isinstance(reply, Success):
        return keys.response_of(claim.kept, again=again)
    if isinstance(reply, Success):
        _LOG.error("an answer was not kept under its key", route=route.path)
    return _render(reply, call.trace_id)


async def _admit(
    edge: Edge, route: Route, request: web.Request, trace_id: str
) -> Result[Call[Any], object]:
    """Check a request against its row of the route table, cheapest test first."""
    if not route.probe:
        refused = guards.refusal(edge, request)
        if refused is not None:
            return Failure(refused)
    parsed = parse_query({} if route.probe else request.query, route.query)
    if isinstance(parsed, Failure):
        return parsed
    data = b""
    if route.body is None:
        size = request.content_length or 0
        if size > PLAIN_LIMIT:
            return Failure(PayloadTooLarge("body", size, PLAIN_LIMIT))
    else:
        body = await bodies.read(request, route.body)
        if isinstance(body, Failure):
            return body
        data = body.unwrap()
    return Success(Call(edge, request, parsed.unwrap(), data, trace_id))


def _render(reply: Reply, trace_id: str) -> web.StreamResponse:
    if isinstance(reply, web.StreamResponse):
        return reply
    match reply:
        case Success(Answer() as answer):
            return _response(answer)
        case Failure(error):
            return problem(error, trace_id)
    raise AssertionError(f"a handler answered {reply!r}")


def _response(answer: Answer) -> web.Response:
    if answer.body is None:
        return web.Response(status=answer.status, headers=answer.headers)
    return web.Response(
        body=encode(answer.body),
        status=answer.status,
        headers=answer.headers,
        content_type="application/json",
    )


def problem(error: object, trace_id: str) -> web.Response:
    """Render an error; one that has no row in the table is logged as the bug it is."""
    if code_of(error) is None:
        _LOG.error("error without a status", error=repr(error))
    view = describe(error, trace_id)
    return web.Response(
        body=encode(view),
        status=view.status,
        headers=headers_of(error),
        content_type=MEDIA_TYPE,
    )


@web.middleware
async def _observe(request: web.Request, handler: WebHandler) -> web.StreamResponse:
    """Give the request a trace id, turn what escaped into a problem, count it and log it."""
    trace_id = traces.begin(request.headers.get("traceparent"))
    started = time.perf_counter()
    try:
        response = await handler(request)
    except web.HTTPException as error:
        response = problem(_framework_error(request, error), trace_id)
    except StorageFault as fault:
        response = problem(fault.error, trace_id)
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        # Not the request was cancelled, but what it waited for: the node stops before it could be stored.
        response = problem(Unavailable(Phase.STOPPING), trace_id)
    except ConnectionError:
        # The client went away while it was being answered.
        raise
    except Exception as error:  # noqa: BLE001 - a bug in one handler must not look like a dead server
        _LOG.error("request failed", method=request.method, path=request.path, exc_info=error)
        response = problem(Internal(), trace_id)
    if not response.prepared:
        if request.app[EDGE].phase is Phase.STOPPING:
            # The connection ends with this answer, not under the next request.
            response.force_close()
        response.headers["X-Trace-Id"] = trace_id
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Server"] = "Caxton"
    _count(request, response.status, time.perf_counter() - started)
    return response


def _count(request: web.Request, status: int, seconds: float) -> None:
    resource = request.match_info.route.resource
    route = resource.canonical if resource is not None else UNMATCHED
    method = request.method if request.method in _METHODS else "OTHER"
    requests = request.app[EDGE].requests
    key = (method, route, status)
    requests[key] = requests.get(key, 0) + 1
    if status >= 400 and (route is UNMATCHED or route.startswith(BASE)):
        report = _LOG.error if status >= 500 and status not in (501, 503, 504) else _LOG.info
        report(
            "request", method=method, path=request.path, status=status, seconds=round(seconds, 6)
        )


def _framework_error(request: web.Request, error: web.HTTPException) -> object:
    """Say in our own words what aiohttp refused."""
    if isinstance(error, web.HTTPMethodNotAllowed):
        return MethodNotAllowed(request.method, _sorted(error.allowed_methods))
    if error.status == 404:
        return NotFound("path", request.path)
    if 400 <= error.status < 500:
        return InvalidRequest(f"The request can't be read: {error.reason}.")
    return Internal()


def _sorted(methods: Iterable[str]) -> tuple[str, ...]:
    known: Sequence[str] = ("GET", "HEAD", "POST", "DELETE")
    return tuple(method for method in known if method in set(methods))
