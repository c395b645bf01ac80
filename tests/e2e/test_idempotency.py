"""A message sent again under its id: the same answer, handled once; with another body it is refused."""

from __future__ import annotations

import json
import signal
import threading
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.nodes import Answer, Api, Node, until
from tests.faults.guests import ledger


def count(api: Api, key: str) -> int:
    """Return how often the ledger has handled a text."""
    return int(api.ask("ledger", key, performative="query-ref")["content"])


def inform(key: str, **fields: Any) -> dict[str, Any]:
    """Return a message under an id of our own."""
    return {"performative": "inform", "receiver": "ledger", "content": key, "id": key, **fields}


@pytest.fixture
def node(nodes: Callable[..., Node]) -> Node:
    """Start a node with a ledger."""
    node = nodes()
    node.api.agent("ledger", ledger())
    return node


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_the_same_id_with_the_same_body(node: Node, how: signal.Signals) -> None:
    """The first answer again, before a restart and after it; white space and order are no difference."""
    key = str(uuid.uuid4())
    message = inform(key)
    first = node.api.post("messages", message)
    assert first.status == 202, first
    assert first.body["id"] == key
    shuffled = json.dumps(dict(reversed(message.items())), indent=3)
    for _ in range(2):
        assert node.api.post("messages", message).body == first.body
        again = node.api.call("POST", "/api/v1/messages", shuffled, kind="application/json")
        assert (again.status, again.body) == (202, first.body)
        until(lambda: node.api.get("agents/ledger")["queue"] == 0)
        assert count(node.api, key) == 1
        node.again(how)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_the_same_id_with_another_body(node: Node, how: signal.Signals) -> None:
    """409 conflict; nothing of it is delivered."""
    key, other = str(uuid.uuid4()), str(uuid.uuid4())
    assert node.api.post("messages", inform(key)).status == 202
    for _ in range(2):
        for changed in (
            inform(key, content=other),
            inform(key, ontology="x"),
            inform(key, x_note=1),
        ):
            answer = node.api.post("messages", changed)
            assert (answer.status, answer.body["code"]) == (409, "conflict"), answer
            answer = node.api.post("messages?wait=5s", changed)
            assert (answer.status, answer.body["code"]) == (409, "conflict"), answer
        assert (count(node.api, key), count(node.api, other)) == (1, 0)
        node.again(how)


def test_a_request_again_gets_the_first_reply(node: Node) -> None:
    """With ?wait the answer is the exchange; it is the same one when asked again, also after a restart."""
    key = str(uuid.uuid4())
    message = inform(key)
    first = node.api.post("messages?wait=30s", message)
    assert first.status == 200, first
    assert int(first.body["reply"]["content"]) == 1
    again = node.api.post("messages?wait=30s", message)
    assert (again.status, again.body) == (200, first.body)
    api = node.again()
    assert api.post("messages?wait=30s", message).body == first.body
    assert api.post("messages", message).body["id"] == key
    assert count(api, key) == 1


def test_the_same_id_at_the_same_time(node: Node) -> None:
    """Many clients with one message: one delivery, one answer."""
    key = str(uuid.uuid4())
    answers: list[Answer] = []
    threads = [
        threading.Thread(target=lambda: answers.append(node.api.post("messages", inform(key))))
        for _ in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status for answer in answers} == {202}
    assert len({answer.data for answer in answers}) == 1
    until(lambda: node.api.get("agents/ledger")["queue"] == 0)
    assert count(node.api, key) == 1


def test_a_refused_message_may_be_sent_again(node: Node) -> None:
    """Only what was accepted is remembered."""
    key = str(uuid.uuid4())
    assert node.api.post("messages", inform(key, receiver="later")).status == 404
    node.api.agent("later", ledger())
    assert node.api.post("messages", inform(key, receiver="later")).status == 202
