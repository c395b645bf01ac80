"""Idempotency-Key through kill -9: a client that tries again until it is answered has its effect exactly once."""

from __future__ import annotations

import http.client
import random
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.e2e.nodes import Answer, Node, tell, until
from tests.e2e.test_keys import post
from tests.e2e.wat import echo, fixed, guest
from tests.faults.guests import ledger

pytestmark = pytest.mark.once

ROUNDS = 6


class Insister:
    """A client that posts one request under one key until it is answered with success."""

    def __init__(self, node: Node, path: str, body: Any) -> None:
        self.node, self.path, self.body = node, path, body
        self.key = str(uuid.uuid4())
        self.tries = 0
        self.answer: Answer | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        end = time.monotonic() + 60
        while self.answer is None and time.monotonic() < end:
            self.tries += 1
            try:
                answer = post(self.node.api, self.path, self.body, self.key)
            except (OSError, http.client.HTTPException):
                time.sleep(0.01)
                continue
            if answer.status < 300:
                self.answer = answer
                return
            # Starting, or behind; or its own first try, of which it heard nothing, is under way.
            assert answer.status in (409, 503, 504), answer
            time.sleep(0.05)

    def join(self) -> Answer:
        """Return the answer."""
        self._thread.join()
        assert self.answer is not None, self.node.log
        return self.answer


def insist(node: Node, path: str, bodies: Iterator[Any], *, within: float) -> list[Insister]:
    """Kill the node somewhere in each request, start it, and wait until it is answered."""
    insisters = []
    for body in bodies:
        insister = Insister(node, path, body)
        time.sleep(random.uniform(0, within))
        node.again()
        insister.join()
        insisters.append(insister)
    tries = sum(insister.tries for insister in insisters)
    tell(f"{path}: {len(insisters)} requests, {len(insisters)} kills, {tries} tries")
    return insisters


@pytest.fixture
def node(nodes: Callable[..., Node]) -> Node:
    """A node with agents that count, answer and wait."""
    node = nodes()
    node.api.agent("ledger", ledger())
    node.api.agent("mute", guest())
    return node


@pytest.mark.timeout(300)
def test_messages_are_sent_once(node: Node) -> None:
    """With and without waiting for the reply, the ledger counts one of each."""
    texts = [str(uuid.uuid4()) for _ in range(ROUNDS)]
    asked = [{"performative": "request", "receiver": "ledger", "content": text} for text in texts]
    insist(node, "messages", iter(asked[::2]), within=0.01)
    replies = insist(node, "messages?wait=30s", iter(asked[1::2]), within=0.01)
    assert {int(reply.join().body["reply"]["content"]) for reply in replies} == {1}
    until(lambda: node.api.get("agents/ledger")["queue"] == 0)
    counts = [
        int(node.api.ask("ledger", text, performative="query-ref")["content"]) for text in texts
    ]
    assert counts == [1] * ROUNDS


@pytest.mark.timeout(300)
def test_conversations_are_opened_once(node: Node) -> None:
    """As many as there were requests, with their answers; those that are waited for end once."""
    node.api.agent("agrees", fixed('{"performative":"inform","content":1}'))
    specs = [
        {"protocol": "fipa-request", "participants": ["mute"], "content": number}
        for number in range(ROUNDS // 2)
    ]
    opened = insist(node, "conversations", iter(specs), within=0.01)
    waited = [
        {"protocol": "fipa-query", "participants": ["agrees"], "content": number, "wait": "20s"}
        for number in range(ROUNDS // 2)
    ]
    ended = insist(node, "conversations", iter(waited), within=0.01)
    assert {each.join().status for each in ended} == {200}
    known = {item["id"] for item in node.api.all("conversations")}
    assert known == {each.join().body["id"] for each in (*opened, *ended)}
    assert len(known) == 2 * (ROUNDS // 2)


@pytest.mark.timeout(300)
def test_agents_and_versions_are_deployed_once(node: Node) -> None:
    """Each request makes one agent, or one version; an agent that began to be is not there twice or half."""
    new = [({"name": f"a{number}", "version": "1"}, echo()) for number in range(ROUNDS // 2)]
    created = insist(node, "agents", iter(new), within=0.12)
    agents = {item["name"]: item for item in node.api.all("agents")}
    for (manifest, _), each in zip(new, created, strict=True):
        answer = each.join()
        assert answer.body["agent"]["id"] == agents[manifest["name"]]["id"]
        assert agents[manifest["name"]]["state"] == "running"
        assert answer.body["deployment"]["state"] == "running"
    later = [
        ({"name": "a0", "version": str(number)}, ledger()) for number in range(2, ROUNDS // 2 + 2)
    ]
    insist(node, "deployments", iter(later), within=0.12)
    versions = [item["version"] for item in node.api.get("agents/a0/versions")["items"]]
    assert versions == [str(number) for number in range(ROUNDS // 2 + 1, 0, -1)]
    running = [
        item for item in node.api.all("deployments")
        if item["agent"] == "a0" and item["state"] == "running"
    ]  # fmt: skip
    assert len(running) == len(versions)
