"""Requests as a stranger makes them: odd queries, wrong types, half a protocol, a thousand agents, a busy node."""

from __future__ import annotations

import json
import socket
import threading
import time
from typing import Any

import pytest

from tests.e2e.nodes import Api, tell, until
from tests.e2e.wat import echo, fixed, guest

AGENTS = 1_000


def raw(api: Api, data: bytes, *, answers: int = 1) -> list[bytes]:
    """Send bytes, and return the statuses that come back until there are enough, or the node is silent or gone."""
    got = b""
    with socket.create_connection((api.host, api.port), timeout=30) as connection:
        connection.sendall(data)
        if answers == 1:
            connection.settimeout(1)
        try:
            while got.count(b"HTTP/1.") < answers and (chunk := connection.recv(65_536)):
                got += chunk
        except TimeoutError:
            pass
    return [part[2:5] for part in got.split(b"HTTP/1.")[1:]]


@pytest.mark.parametrize(
    ("path", "status", "word"),
    [
        ("agents?limit=0", 400, "limit"), ("agents?limit=-1", 400, "limit"), ("agents?limit=1e9", 400, "limit"),
        ("agents?limit=99999999999999999999", 400, "limit"), ("agents?limt=1", 400, "limit"),
        ("agents?limit=1&limit=2", 400, "limit"), ("agents?cursor=nonsense", 400, "cursor"),
        ("messages?conversation_id=", 400, "conversation_id"),
        ("messages?agent=nobody", 404, "nobody"), ("agents/%2e%2e%2f%2e%2e", 404, ""), ("agents/%00", 404, ""),
        ("agents/%ff%fe", 404, ""), ("agents/" + "a" * 4000, 404, ""), ("messages/not-a-uuid", 404, ""),
        ("conversations/%F0%9F%92%A9", 404, ""), ("modules/sha256:12", 422, "sha256"), ("nothing", 404, ""),
        ("agents/", 404, ""), ("dead-letters?cursor=%27%3B%20drop%20table%20agents", 400, "cursor"),
        ("events?types=nonsense&after=x", 400, ""), ("messages?cursor=AAAA", 400, "cursor"),
    ],
)  # fmt: skip
def test_odd_queries_are_told_what_is_wrong(api: Api, path: str, status: int, word: str) -> None:
    """A problem with a status of ours and the name of what is wrong; never a 500, never a list of everything."""
    answer = api.call("GET", f"/api/v1/{path}")
    assert answer.status == status, answer
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert word in json.dumps(answer.body)
    assert len(answer.body["trace_id"]) == 32


@pytest.mark.parametrize("wait", ["", "0s", "-1s", "5", "1h", "NaNs", "1e999s", "1s&wait=2s"])
def test_odd_waits(api: Api, wait: str) -> None:
    """A wait that is none is refused before anything is sent."""
    message = {"performative": "request", "receiver": "echo", "content": f"wait {wait}"}
    answer = api.post(f"messages?wait={wait}", message)
    assert (answer.status, answer.body["code"]) == (400, "invalid_request")


@pytest.mark.parametrize(
    ("kind", "body", "statuses"),
    [
        ("text/plain", b"{}", {415}), ("application/x-www-form-urlencoded", b"a=b", {422}), ("", b"{}", {422}),
        ("application/json; charset=latin-1", b'{"performative":"inform","receiver":"echo"}', {202, 415}),
        ("application/json", b"", {400, 422}), ("application/json", b"{", {400, 422}), ("application/json", b"\xff\xfe{}", {400, 422}),
        ("application/json", b"\xef\xbb\xbf{}", {400, 422}), ("application/json", b'{"a":1}{"b":2}', {400, 422}),
        ("application/json", b"NaN", {400, 422}), ("application/json", b'{"performative":"inform","performative":"x"}', {400, 422}),
        ("application/json", b"0" * 100_000, {400, 422}), ("application/json", b'"\\ud800"', {400, 422}),
        ("nonsense", b"{}", {415, 422}), ("multipart/form-data", b"--x--", {415}),
    ],
)  # fmt: skip
def test_wrong_bodies_of_messages(api: Api, kind: str, body: bytes, statuses: set[int]) -> None:
    """What is no JSON, or no message, is refused as what it is."""
    answer = api.call("POST", "/api/v1/messages", body, kind=kind)
    assert answer.status in statuses, answer
    if answer.status >= 400:
        assert answer.body["detail"]


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", b""), ("multipart/form-data; boundary=", b"----"),
        ("multipart/form-data; boundary=x", b"--y\r\n\r\n--y--"), ("multipart/form-data; boundary=x", b"--x\r\n"),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="module"\r\n\r\nabc\r\n--x--'),
        ("application/json", b'{"manifest":{"name":"x"},"module_base64":"!!"}'),
        ("application/json", b'{"manifest":[]}'), ("application/json", b'{"manifest":{"name":"x","module":"sha256:00"}}'),
        ("application/yaml", b"a: &a [*a]"), ("application/yaml", b"!!python/object/apply:os.system [id]"),
        ("application/yaml", b"{" * 10_000), ("application/yaml", b"\0"), ("application/wasm", b"\0asm"),
    ],
)  # fmt: skip
def test_wrong_bodies_of_agents(api: Api, kind: str, body: bytes) -> None:
    """Nothing of it makes an agent, or a 500."""
    answer = api.call("POST", "/api/v1/agents", body, kind=kind)
    assert 400 <= answer.status < 500, answer
    assert answer.body["detail"]
    assert [agent["name"] for agent in api.all("agents")] == ["echo"]


def test_wrong_methods(api: Api) -> None:
    """405 names what is allowed."""
    for method, path in (
        ("PUT", "agents"),
        ("DELETE", "messages"),
        ("POST", "agents/echo"),
        ("PATCH", "agents/echo"),
    ):
        answer = api.call(method, f"/api/v1/{path}")
        assert answer.status == 405, answer
        assert answer.headers["Allow"]
    assert api.call("FROB", "/api/v1/agents").status in (400, 405, 501)


def test_pipelined_requests_are_answered_in_order(api: Api) -> None:
    """Ten requests in one packet, ten answers."""
    one = b"GET /api/v1/agents/%s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    data = b"".join(one % (b"echo" if number % 2 else b"nobody") for number in range(10))
    assert raw(api, data, answers=10) == [b"404", b"200"] * 5


@pytest.mark.parametrize(
    "data",
    [
        b"\r\n\r\n", b"nonsense\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01" + bytes(200),
        b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"POST /api/v1/messages HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /api/v1/messages HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /api/v1/messages HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        b"GET /api/v1/agents HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        b"POST /api/v1/messages HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
    ],
    ids=range(11),
)  # fmt: skip
def test_half_a_protocol_is_refused_or_dropped(api: Api, data: bytes) -> None:
    """No answer, or one of 4xx; the node's log has no traceback at the end."""
    try:
        statuses = raw(api, data)
    except ConnectionError:
        return
    assert all(status[:1] == b"4" or status == b"505" for status in statuses)


def test_clients_that_go_away(api: Api) -> None:
    """Fifty that do not wait for their answer, and fifty that only connect."""
    message = json.dumps({"performative": "request", "receiver": "echo", "content": "x"}).encode()
    head = b"POST /api/v1/messages?wait=20s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    open_ones = []
    for number in range(100):
        connection = socket.create_connection((api.host, api.port), timeout=30)
        if number % 2:
            connection.sendall(head + b"Content-Length: %d\r\n\r\n" % len(message) + message)
            connection.close()
        else:
            open_ones.append(connection)
    assert api.ask("echo")["content"] == "here"
    for connection in open_ones:
        connection.close()


def percentiles(seconds: list[float]) -> str:
    """Say how long something took."""
    ordered = sorted(seconds)
    return f"median {ordered[len(ordered) // 2] * 1e3:.1f} ms, worst {ordered[-1] * 1e3:.1f} ms"


def measured(api: Api, times: int = 40) -> dict[str, list[float]]:
    """Ask for this and that, and return how long each took."""
    took: dict[str, list[float]] = {"livez": [], "ask": []}
    for _ in range(times):
        began = time.perf_counter()
        assert api.call("GET", "/livez").status == 200
        took["livez"].append(time.perf_counter() - began)
        began = time.perf_counter()
        assert api.ask("echo")["content"] == "here"
        took["ask"].append(time.perf_counter() - began)
    return took


def test_a_guest_that_loops_for_ever_beside_the_others(api: Api) -> None:
    """It holds nobody up: the others are answered (how fast is printed), and it can be removed."""
    alone = measured(api)
    spin = guest("(loop $for_ever (br $for_ever)) (unreachable)")
    api.agent("spins", spin, limits={"cpu_ms": 3_600_000, "time_ms": 3_600_000})
    assert api.send("spins").status == 202
    until(lambda: api.get("agents/spins/stats")["queue"] == 0)
    beside = measured(api)
    for name, seconds in alone.items():
        tell(f"{name}: alone {percentiles(seconds)}; beside a loop {percentiles(beside[name])}")
    assert max(beside["livez"]) < 10
    assert api.call("DELETE", "/api/v1/agents/spins").status == 204


def test_two_that_answer_each_other_beside_the_others(api: Api) -> None:
    """As before, with two that keep the journal busy too."""
    api.agent("ping", fixed('{"performative":"inform","receiver":"pong"}'))
    api.agent("pong", fixed('{"performative":"inform","receiver":"ping"}'))
    assert api.send("ping").status == 202
    until(lambda: api.get("agents/ping/stats")["messages_in"] > 100)
    for name, seconds in measured(api).items():
        tell(f"{name} beside two that never end: {percentiles(seconds)}")
    for name in ("ping", "pong"):
        assert api.call("DELETE", f"/api/v1/agents/{name}").status == 204


@pytest.mark.timeout(300)
def test_a_thousand_agents(api: Api) -> None:
    """Deployed by four clients at once, all running, each answering, listed page by page, and removed."""
    module = echo()
    pushed = api.call("POST", "/api/v1/modules", module, kind="application/wasm").body["sha256"]
    digest = "sha256:" + str(pushed).removeprefix("sha256:")
    wrong: list[Any] = []

    def deploy(first: int) -> None:
        for number in range(first, AGENTS, 4):
            manifest = {"name": f"one-{number}", "module": digest}
            answer = api.post("agents", {"manifest": manifest})
            if answer.status != 201:
                wrong.append(answer)

    began = time.monotonic()
    threads = [threading.Thread(target=deploy, args=(first,)) for first in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    tell(f"{AGENTS} agents in {time.monotonic() - began:.1f} s")
    assert wrong == []
    agents = api.all("agents?state=running")
    assert len({agent["name"] for agent in agents}) == AGENTS + 1
    for number in range(0, AGENTS, 50):
        assert api.ask(f"one-{number}")["content"] == "here"
    assert api.call("GET", "/health").body["agents"] == {"running": AGENTS + 1}
    for number in range(0, AGENTS, 10):
        assert api.call("DELETE", f"/api/v1/agents/one-{number}").status == 204
    assert len(api.all("agents")) == AGENTS + 1 - AGENTS // 10
