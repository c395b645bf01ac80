"""What the edge refuses before a node is asked, and how it says so."""

from __future__ import annotations

import asyncio
import gzip
import io
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from caxton_core import errors
from caxton_core.errors import Problem
from caxton_core.views import CheckView
from caxton_server.rest.calls import EDGE, MESSAGE_LIMIT, MODULE_LIMIT, PLAIN_LIMIT, Phase, Route
from caxton_server.rest.edge import application
from caxton_server.rest.openapi import describe
from caxton_server.rest.problems import CODES
from caxton_server.rest.routes import ROUTES

from tests.server.rest.fakes import EmptyNode, serving

Http = TestClient[web.Request, web.Application]
Ask = Callable[..., Awaitable[tuple[int, dict[str, Any]]]]


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    """A client of a server whose node has nothing."""
    async with TestClient(TestServer(application(serving(), ROUTES))) as client:
        yield client


@pytest.fixture
def refused(http: Http) -> Ask:
    """Make a request that must be refused, check the form of the answer, return status and body."""

    async def ask(method: str, path: str, **given: Any) -> tuple[int, dict[str, Any]]:
        async with http.request(method, path, **given) as response:
            body = await response.json(content_type="application/problem+json")
            assert {"type", "title", "status", "detail", "code", "trace_id"} <= body.keys()
            assert body["status"] == response.status == CODES[body["code"]].status
            assert re.fullmatch(r"[0-9a-f]{32}", body["trace_id"])
            assert response.headers["X-Trace-Id"] == body["trace_id"]
            return response.status, body

    return ask


async def test_unknown_path_is_a_problem(refused: Ask) -> None:
    """A path that does not exist is 404 as problem+json."""
    status, body = await refused("GET", "/api/v1/nothing")
    assert (status, body["code"]) == (404, "not_found")


async def test_wrong_method_names_the_right_ones(http: Http) -> None:
    """405 carries Allow with the methods that the path knows."""
    async with http.put("/api/v1/agents") as response:
        assert response.status == 405
        assert response.headers["Allow"] == "GET, HEAD, POST"
        assert (await response.json(content_type=None))["code"] == "method_not_allowed"


@pytest.mark.parametrize(
    ("path", "parameter", "nearest"),
    [
        ("/api/v1/agents?limt=3", "limt", "limit"),
        ("/api/v1/agents?limit=0", "limit", ""),
        ("/api/v1/agents?limit=1001", "limit", ""),
        ("/api/v1/agents?limit=ten", "limit", ""),
        ("/api/v1/agents?cursor=garbage", "cursor", ""),
        ("/api/v1/agents?cursor=%00", "cursor", ""),
        ("/api/v1/messages?cursor=bWVzc2FnZXMKeA", "cursor", ""),
        ("/api/v1/messages?cursor=bWVzc2FnZXMKMTExMTExMTExMTExMTExMTExMTEx", "cursor", ""),
        ("/api/v1/agents?limit=1&limit=2", "limit", ""),
        ("/api/v1/agents/x?verbose=1", "verbose", ""),
        ("/api/v1/messages?conversation=1", "conversation", "conversation_id"),
    ],
)
async def test_bad_query_names_the_parameter(
    refused: Ask, path: str, parameter: str, nearest: str
) -> None:
    """A parameter that is unknown, given twice or out of range is 400 and named in errors[]."""
    status, body = await refused("GET", path)
    assert status == 400
    assert body["errors"][0]["parameter"] == parameter
    assert body["errors"][0].get("nearest", "") == nearest


@pytest.mark.parametrize("wait", ["5", "x", "0s", "-1s", "10h", "5 parsecs"])
async def test_bad_wait_is_refused(refused: Ask, wait: str) -> None:
    """A `wait` that is no duration within bounds is 400."""
    status, body = await refused(
        "POST", "/api/v1/messages", params={"wait": wait}, data=b'{"performative": "inform"}'
    )
    assert (status, body["errors"][0]["parameter"]) == (400, "wait")


@pytest.mark.parametrize(
    ("path", "limit"),
    [
        ("/api/v1/messages", MESSAGE_LIMIT),
        ("/api/v1/modules", MODULE_LIMIT),
        ("/api/v1/agents", MODULE_LIMIT),
        ("/api/v1/agents/x/start", PLAIN_LIMIT),
    ],
)
async def test_body_over_its_limit_is_refused(refused: Ask, path: str, limit: int) -> None:
    """A body that says it is too large is 413 without being read."""
    status, body = await refused("POST", path, data=io.BytesIO(b"x" * (limit + 1)))
    assert (status, body["code"]) == (413, "payload_too_large")


async def test_body_without_a_length_is_counted(refused: Ask) -> None:
    """A chunked body over the limit is 413 as soon as the limit is passed."""

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(MESSAGE_LIMIT // PLAIN_LIMIT + 1):
            yield b" " * PLAIN_LIMIT

    status, _ = await refused("POST", "/api/v1/messages", data=endless())
    assert status == 413


async def test_compressed_body_is_counted_unpacked(refused: Ask) -> None:
    """A small body that unpacks to a large one is 413."""
    packed = gzip.compress(b" " * (MESSAGE_LIMIT + 1))
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    status, _ = await refused("POST", "/api/v1/messages", data=packed, headers=headers)
    assert status == 413


async def test_broken_compression_is_the_clients_fault(refused: Ask) -> None:
    """A body that does not unpack is 400."""
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    status, _ = await refused("POST", "/api/v1/messages", data=b"no gzip", headers=headers)
    assert status == 400


async def test_empty_body_is_refused(refused: Ask) -> None:
    """A route that needs a body says so."""
    assert (await refused("POST", "/api/v1/messages"))[0] == 400


async def test_foreign_media_type_is_refused(refused: Ask) -> None:
    """A media type the route does not read is 415."""
    headers = {"Content-Type": "application/xml"}
    status, _ = await refused("POST", "/api/v1/messages", data=b"<a/>", headers=headers)
    assert status == 415


@pytest.mark.parametrize(
    "route", [route for route in ROUTES if route.method == "POST"], ids=lambda route: route.path
)
async def test_idempotency_key_is_never_ignored(route: Route) -> None:
    """Every POST asks the node about its key before anything else is done."""
    node = EmptyNode()
    kind = next(iter(route.body.media)) if route.body is not None else "application/json"
    async with TestClient(TestServer(application(serving(node), ROUTES))) as client:
        path = "/api/v1" + route.path.replace("{ref}", "x")
        headers = {"Idempotency-Key": "k", "Content-Type": f"{kind}; boundary=x"}
        async with client.post(path, data=b"{}", headers=headers) as response:
            assert (response.status, response.headers["Retry-After"]) == (409, "1")
            assert (await response.json(content_type=None))["code"] == "conflict"
    assert len(node.asked) == 1
    assert node.asked[0].startswith(":k:")


async def digests(*requests: dict[str, Any]) -> list[str]:
    """Return the digest of each request, as the node is asked about it."""
    node = EmptyNode()
    async with TestClient(TestServer(application(serving(node), ROUTES))) as client:
        for given in requests:
            headers = {"Idempotency-Key": "k", **given.pop("headers", {})}
            async with client.post(
                f"/api/v1/{given.pop('path', 'messages')}", headers=headers, **given
            ):
                pass
    return node.asked


def form(boundary: str, **parts: str) -> dict[str, Any]:
    """Return a multipart request."""
    head = '--{}\r\nContent-Disposition: form-data; name="{}"\r\n\r\n{}\r\n'
    body = "".join(head.format(boundary, name, text) for name, text in parts.items())
    kind = f"multipart/form-data; boundary={boundary}"
    return {
        "path": "agents", "data": f"{body}--{boundary}--\r\n".encode(), "headers": {"Content-Type": kind},
    }  # fmt: skip


async def test_requests_that_say_the_same_are_the_same() -> None:
    """Boundaries, the order of parts and keys, white space and the length of a wait make no other request."""
    json, large = {"Content-Type": "application/json"}, "x" * 100_000
    same = await digests(
        {"data": b'{"a":1,"b":[1,2]}', "headers": json},
        {"data": b'{ "b": [1, 2], "a": 1 }', "headers": json},
    )
    assert len(set(same)) == 1
    same = await digests(
        form("one", manifest="{}", module=large), form("other", module=large, manifest="{}")
    )
    assert len(set(same)) == 1
    same = await digests(
        *[{"path": f"messages?wait={wait}", "data": b"{}"} for wait in ("1s", "2s")]
    )
    assert len(set(same)) == 1


async def test_requests_that_differ_are_others() -> None:
    """Path, query, media type, signature and content count, and so does what a part is called."""
    wasm = {"Content-Type": "application/wasm"}
    others = await digests(
        {"data": b"{}"}, {"data": b'{"a":1}'}, {"data": b'{"a":2}'}, {"data": b'{"b":1}'}, {"data": b"{"},
        {"path": "messages?wait=1s", "data": b"{}"}, {"path": "conversations", "data": b"{}"},
        {"path": "modules", "data": b"{}", "headers": wasm},
        {"path": "modules?profile=strict", "data": b"{}", "headers": wasm},
        {"path": "modules", "data": b"{}", "headers": {**wasm, "Caxton-Signature": "x"}},
        form("one", manifest="{}"), form("one", manifest="{}", module=""), form("one", module="{}"),
        {"path": "agents/x/stop"}, {"path": "agents/x/start"}, {"path": "agents/y/stop"},
    )  # fmt: skip
    assert len(set(others)) == len(others) == 16


async def test_sender_in_the_body_is_refused(refused: Ask) -> None:
    """Messages from the API have one sender, which nobody may claim to be."""
    message = {"performative": "inform", "receiver": "a", "sender": "a@caxton", "content": 1}
    status, body = await refused("POST", "/api/v1/messages", json=message)
    assert (status, body["code"]) == (400, "sender_not_allowed")


@pytest.mark.parametrize("path", ["tokens", "audit", "deployments/1/analysis"])
async def test_what_is_not_built_yet_says_so(refused: Ask, path: str) -> None:
    """A path the contract names and this build lacks is 501."""
    assert (await refused("GET", f"/api/v1/{path}"))[1]["code"] == "not_implemented"


async def test_error_of_the_node_is_rendered(refused: Ask) -> None:
    """An error Struct comes out with its status, its code and its sentence."""
    status, body = await refused("GET", "/api/v1/agents/nobody")
    assert (status, body["code"], body["detail"]) == (
        404,
        "agent_not_found",
        "Agent nobody not found.",
    )


async def test_trace_of_the_caller_is_continued(http: Http) -> None:
    """A valid traceparent gives the answer its trace id; an invalid one is replaced."""
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    for parent, same in ((f"00-{trace}-00f067aa0ba902b7-01", True), (f"00-{trace}", False)):
        async with http.get("/livez", headers={"traceparent": parent}) as response:
            assert (response.headers["X-Trace-Id"] == trace) is same


async def test_page_of_another_site_is_refused(refused: Ask) -> None:
    """Without a token, neither a foreign Origin nor a foreign Host may use the API."""
    for headers in ({"Origin": "http://evil.example"}, {"Host": "evil.example"}):
        status, body = await refused("GET", "/api/v1/plugins", headers=headers)
        assert (status, body["code"]) == (403, "forbidden")


async def test_token_is_asked_for_where_there_is_one() -> None:
    """With a token configured, only its bearer passes; probes need none."""
    app = application(serving(token="secret"), ROUTES)
    async with TestClient(TestServer(app)) as http:
        for given, status in ((None, 401), ("Bearer wrong", 401), ("bearer secret", 404)):
            headers = {} if given is None else {"Authorization": given}
            async with http.get("/api/v1/agents/nobody", headers=headers) as response:
                assert response.status == status
                assert (status == 401) is ("WWW-Authenticate" in response.headers)
        async with http.get("/livez") as response:
            assert response.status == 200


async def test_probes_follow_the_phase_of_the_process() -> None:
    """Liveness always holds; readiness and start-up only when they are true; the API only then."""
    edge = serving(phase=Phase.STARTING)
    wanted = {
        Phase.STARTING: {"/livez": 200, "/readyz": 503, "/ready": 503, "/startupz": 503, "/api/v1/agents/x": 503},
        Phase.SERVING: {"/livez": 200, "/readyz": 200, "/ready": 200, "/startupz": 200, "/api/v1/agents/x": 404},
        Phase.STOPPING: {"/livez": 200, "/readyz": 503, "/ready": 503, "/startupz": 200, "/api/v1/agents/x": 503},
    }  # fmt: skip
    async with TestClient(TestServer(application(edge, ROUTES))) as http:
        for phase, statuses in wanted.items():
            edge.phase = phase
            for path, status in statuses.items():
                async with http.get(path) as response:
                    assert (path, response.status) == (path, status)
                    assert (status == 503) is ("Retry-After" in response.headers)


async def test_readiness_names_what_fails() -> None:
    """A failing check makes readiness 503 and is named."""
    node = EmptyNode()
    node.checks = [CheckView("storage", ok=False, detail="disk full"), CheckView("router", ok=True)]
    async with (
        TestClient(TestServer(application(serving(node), ROUTES))) as http,
        http.get("/readyz") as response,
    ):
        body = await response.json(content_type="application/problem+json")
        assert (response.status, body["errors"]) == (
            503,
            [{"detail": "disk full", "pointer": "/storage"}],
        )


async def test_bug_is_an_internal_error(http: Http) -> None:
    """An exception in a handler is 500 as problem+json, and the server goes on."""
    async with http.get("/api/v1/plugins") as response:
        assert response.status == 500
        assert (await response.json(content_type=None))["code"] == "internal"
    async with http.get("/livez") as response:
        assert response.status == 200


async def test_requests_are_counted_by_route(http: Http) -> None:
    """Requests are counted by method, route template and status, whatever the path was."""
    edge = http.app[EDGE]
    for path in ("/api/v1/agents/a", "/api/v1/agents/b", "/wp-admin", "/livez"):
        async with http.get(path):
            pass
    assert edge.requests == {
        ("GET", "/api/v1/agents/{ref}", 404): 2,
        ("GET", "unmatched", 404): 1,
        ("GET", "/livez", 200): 1,
    }


async def test_client_that_sends_nonsense_gets_an_answer(http: Http) -> None:
    """Bytes that are no HTTP are answered 400 and harm nobody else."""
    server = http.server
    reader, writer = await asyncio.open_connection(server.host, server.port)
    writer.write(b"nonsense\r\n\r\n")
    assert b" 400 " in await reader.readline()
    writer.close()
    await writer.wait_closed()


def test_every_error_has_a_status() -> None:
    """Every code that an error of core can carry has a row in the table."""

    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    codes = {kind.code for kind in kinds if issubclass(kind, Problem) and kind is not Problem}
    assert codes - CODES.keys() == set()


async def test_openapi_describes_every_route(http: Http) -> None:
    """The description has every path and method of the table, and no reference into the void."""
    edge = http.app[EDGE]
    edge.description = describe(ROUTES)
    async with http.get("/api/v1/openapi.json") as response:
        text = await response.text()
        described = await response.json()
    operations = {(m.upper(), path) for path, row in described["paths"].items() for m in row}
    wanted = {(r.method, r.path if r.probe else f"/api/v1{r.path}") for r in ROUTES}
    assert operations == wanted
    names = set(re.findall(r"#/components/schemas/([\w.-]+)", text))
    assert names <= described["components"]["schemas"].keys()
    ids = [op["operationId"] for row in described["paths"].values() for op in row.values()]
    assert len(ids) == len(set(ids))


async def test_head_of_a_probe_has_no_body(http: Http) -> None:
    """HEAD works where GET does."""
    async with http.head("/livez") as response:
        assert (response.status, await response.read()) == (200, b"")


async def test_unread_body_does_not_break_the_connection(http: Http) -> None:
    """A refusal before the body was read leaves the client able to go on."""
    async with aiohttp.ClientSession() as session:
        url = http.make_url("/api/v1/agents/x/start?nope=1")
        async with session.post(url, data=b"x" * 100_000) as response:
            assert response.status == 400
        async with session.get(http.make_url("/livez")) as response:
            assert response.status == 200
