"""Idempotency-Key: whatever a client sends again under its key is done once, and answered as the first time."""

from __future__ import annotations

import json
import threading
import uuid
from typing import Any

import pytest

from tests.e2e.nodes import Answer, Api, Node, until
from tests.e2e.wat import ASKED, echo, fixed, guest
from tests.faults.guests import ledger

pytestmark = pytest.mark.once

REPLAYED = "Idempotency-Replayed"
PROPOSE = '{"performative":"propose","content":{"cost":3}}'


def form(manifest: dict[str, Any], module: bytes | None = None) -> tuple[bytes, str]:
    """Return a multipart body and its type; the boundary is another one each time."""
    edge = uuid.uuid4().hex
    body = (
        f'--{edge}\r\nContent-Disposition: form-data; name="manifest"\r\n\r\n{json.dumps(manifest)}\r\n'
    ).encode()
    if module is not None:
        head = f'--{edge}\r\nContent-Disposition: form-data; name="module"; filename="{edge}.wasm"\r\n\r\n'
        body += head.encode() + module + b"\r\n"
    return body + f"--{edge}--\r\n".encode(), f"multipart/form-data; boundary={edge}"


def post(api: Api, path: str, body: Any, key: str) -> Answer:
    """Post JSON, or a form anew, under a key."""
    data: bytes | None = None
    kind: str | None = None
    if isinstance(body, tuple):
        data, kind = form(*body)
    elif body is not None:
        data, kind = json.dumps(body).encode(), "application/json"
    headers = {"Idempotency-Key": key}
    return api.call("POST", f"/api/v1/{path}", data, kind=kind, headers=headers)


def twice(node: Node, path: str, body: Any, *, status: int, kill: bool = True) -> Answer:
    """Post twice under one key, and once more after a kill; each answer is the first one."""
    key = str(uuid.uuid4())
    first = post(node.api, path, body, key)
    assert first.status == status, first
    assert REPLAYED not in first.headers
    assert first.headers["Caxton-Durability"] == "disk"
    for again in range(2):
        answer = post(node.api, path, body, key)
        assert (answer.status, answer.data) == (status, first.data)
        assert answer.headers[REPLAYED] == "true"
        for name in ("Location", "ETag", "Content-Type", "Caxton-Durability"):
            assert answer.headers.get(name) == first.headers.get(name)
        if kill and not again:
            node.again()
    return first


@pytest.fixture(scope="module")
def keyed(shared: Node) -> Node:
    """The shared node, with agents that count and answer."""
    shared.api.agent("ledger", ledger())
    shared.api.agent("bidder", fixed(PROPOSE))
    shared.api.agent("mute", guest())
    return shared


def count(api: Api, text: str) -> int:
    """Return how often the ledger has handled a text."""
    return int(api.ask("ledger", text, performative="query-ref")["content"])


def test_a_message(keyed: Node) -> None:
    """Sent once."""
    text = str(uuid.uuid4())
    twice(
        keyed,
        "messages",
        {"performative": "inform", "receiver": "ledger", "content": text},
        status=202,
    )
    until(lambda: keyed.api.get("agents/ledger")["queue"] == 0)
    assert count(keyed.api, text) == 1


def test_a_request(keyed: Node) -> None:
    """Sent once; the reply is the first one."""
    text = str(uuid.uuid4())
    message = {"performative": "request", "receiver": "ledger", "content": text}
    first = twice(keyed, "messages?wait=30s", message, status=200)
    assert int(first.body["reply"]["content"]) == 1
    assert count(keyed.api, text) == 1


def test_a_conversation(keyed: Node) -> None:
    """Opened once, whether its end is waited for or not."""
    before = len(keyed.api.all("conversations"))
    spec = {"protocol": "fipa-request", "participants": ["mute"], "content": "x"}
    opened = twice(keyed, "conversations", spec, status=201)
    net = {
        "protocol": "fipa-contract-net", "participants": ["bidder"], "content": "x",
        "select": {"min": "$.cost"}, "reply_by": "+1s", "wait": "30s", "ttl": "3s",
    }  # fmt: skip
    ended = twice(keyed, "conversations", net, status=200)
    assert ended.body["outcome"]
    assert len(keyed.api.all("conversations")) == before + 2
    cancel = f"conversations/{opened.body['id']}/cancel"
    cancelled = twice(keyed, cancel, None, status=200, kill=False)
    assert cancelled.body["state"] == "cancelling"


def test_an_agent_its_states_and_its_versions(keyed: Node) -> None:
    """Deployed once, moved once: a state that was left since is not entered again."""
    manifest = {"name": "keyed", "version": "1"}
    created = twice(keyed, "agents", (manifest, echo()), status=201)
    assert created.body["agent"]["state"] == "running"
    key = str(uuid.uuid4())
    assert post(keyed.api, "agents/keyed/suspend", None, key).status == 200
    assert keyed.api.post("agents/keyed/resume").status == 200
    answer = post(keyed.api, "agents/keyed/suspend", None, key)
    assert (answer.status, answer.body["state"]) == (200, "suspended")
    assert keyed.api.get("agents/keyed")["state"] == "running"
    for verb in ("suspend", "resume", "restart", "stop", "start", "drain"):
        moved = twice(keyed, f"agents/keyed/{verb}", None, status=200, kill=verb == "drain")
        assert moved.body["name"] == "keyed"
    until(lambda: keyed.api.get("agents/keyed")["state"] == "stopped")
    deployed = twice(keyed, "deployments", ({**manifest, "version": "2"}, ledger()), status=202)
    assert deployed.body["state"] == "running"
    versions = keyed.api.get("agents/keyed/versions")["items"]
    assert [version["version"] for version in versions] == ["2", "1"]
    assert keyed.api.call("DELETE", "/api/v1/agents/keyed").headers["Caxton-Durability"] == "disk"


def test_a_module(keyed: Node) -> None:
    """Pushed once; the answer says the same."""
    key, module = str(uuid.uuid4()), guest("(i32.const 0) (drop) (i32.const 0)")
    kind, headers = "application/wasm", {"Idempotency-Key": key}
    first = keyed.api.call("POST", "/api/v1/modules", module, kind=kind, headers=headers)
    assert first.status == 201, first
    again = keyed.api.call("POST", "/api/v1/modules", module, kind=kind, headers=headers)
    assert (again.status, again.data, again.headers[REPLAYED]) == (201, first.data, "true")


def test_a_dead_letter(keyed: Node) -> None:
    """Sent again once, though it is gone."""
    name = keyed.api.agent("clumsy", guest(f"(if {ASKED} (then (unreachable))) (i32.const 0)"))
    keyed.api.ask(name)
    (letter,) = until(lambda: keyed.api.letters(name))
    twice(keyed, f"dead-letters/{letter['id']}/redrive", None, status=202, kill=False)
    until(lambda: keyed.api.get(f"agents/{name}/stats")["queue"] == 0)
    assert len(keyed.api.letters(name)) == 1


# What a key refuses


def test_a_key_with_another_request(keyed: Node) -> None:
    """422; another way to write the same JSON is no other request, and other clients of a key see nothing of it."""
    key, text = str(uuid.uuid4()), str(uuid.uuid4())
    message = {"performative": "inform", "receiver": "ledger", "content": text}
    first = post(keyed.api, "messages", message, key)
    shuffled = json.dumps(dict(reversed(message.items())), indent=2)
    headers = {"Idempotency-Key": f'"{key}"'}
    again = keyed.api.call(
        "POST", "/api/v1/messages", shuffled, kind="application/json", headers=headers
    )
    assert (again.status, again.data) == (202, first.data)
    spec = {"protocol": "fipa-request", "participants": ["mute"]}
    for path, body in (
        ("messages", {**message, "content": "other"}),
        ("messages?wait=1s", message),
        ("conversations", spec),
        ("agents/ledger/suspend", None),
    ):
        answer = post(keyed.api, path, body, key)
        assert (answer.status, answer.body["code"]) == (422, "idempotency_key_reused"), answer
    assert keyed.api.get("agents/ledger")["state"] == "running"


@pytest.mark.parametrize("key", ["", '""', "x" * 256, "é"])
def test_a_key_that_is_none(keyed: Node, key: str) -> None:
    """400, and nothing is done."""
    headers = {"Idempotency-Key": key.encode()}
    answer = keyed.api.call("POST", "/api/v1/agents/ledger/suspend", headers=headers)  # type: ignore[arg-type]  # bytes: a key that is no ASCII
    assert (answer.status, answer.body["code"]) == (400, "invalid_request")
    assert keyed.api.get("agents/ledger")["state"] == "running"


def test_a_refusal_uses_no_key_up(keyed: Node) -> None:
    """What had no effect may be tried again under the same key."""
    key, name = str(uuid.uuid4()), f"n{uuid.uuid4().hex}"
    message = {"performative": "inform", "receiver": name, "content": 1}
    assert post(keyed.api, "messages", message, key).status == 404
    keyed.api.agent(name, echo())
    assert post(keyed.api, "messages", message, key).status == 202


def test_while_the_first_is_under_way(keyed: Node) -> None:
    """409 with Retry-After; then the wait goes on where it was, and the message was sent once."""
    key = str(uuid.uuid4())
    message = {"performative": "request", "receiver": "mute", "content": key}
    late: list[Answer] = []
    thread = threading.Thread(
        target=lambda: late.append(post(keyed.api, "messages?wait=2s", message, key))
    )
    thread.start()
    until(
        lambda: any(
            item["message"].get("content") == key for item in keyed.api.all("messages?agent=mute")
        )
    )
    answer = post(keyed.api, "messages?wait=1s", message, key)
    assert (answer.status, answer.body["code"], answer.headers["Retry-After"]) == (
        409,
        "conflict",
        "1",
    )
    other = post(keyed.api, "messages?wait=1s", {**message, "content": "other"}, key)
    assert other.status == 422
    thread.join()
    assert late[0].status == 504
    again = post(keyed.api, "messages?wait=100ms", message, key)
    assert (again.status, again.body["code"]) == (504, "timeout")
    sent = [
        item
        for item in keyed.api.all("messages?agent=mute")
        if item["message"].get("content") == key
    ]
    assert len(sent) == 1


def test_many_at_once(keyed: Node) -> None:
    """One is done; the others get its answer, or are told to ask later."""
    key, text = str(uuid.uuid4()), str(uuid.uuid4())
    message = {"performative": "inform", "receiver": "ledger", "content": text}
    answers: list[Answer] = []
    threads = [
        threading.Thread(target=lambda: answers.append(post(keyed.api, "messages", message, key)))
        for _ in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status for answer in answers} <= {202, 409}
    assert len({answer.data for answer in answers if answer.status == 202}) == 1
    until(lambda: keyed.api.get("agents/ledger")["queue"] == 0)
    assert count(keyed.api, text) == 1
