"""Conversations over HTTP: the server as initiator, lists, cancel, events."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from caxton_server.client import Client
from caxton_server.client_errors import Refused

from tests.server.rest.conftest import Ask
from tests.server.rest.guests import answering, silent

BIDDERS = {"dear": 9, "cheap": 3, "middling": 5}


@pytest.fixture
def bidders(client: Client) -> Iterator[list[str]]:
    """Agents that propose a cost, whatever they are told."""
    for name, cost in BIDDERS.items():
        proposal = f'{{"performative":"propose","content":{{"cost":{cost}}}}}'
        client.deploy({"name": name}, answering(proposal)).unwrap()
    client.deploy({"name": "mute"}, silent()).unwrap()
    yield list(BIDDERS)
    for name in [*BIDDERS, "mute"]:
        client.remove_agent(name)


def test_contract_net_awards_the_cheapest(client: Client, bidders: list[str]) -> None:
    """With `select: {min: $.cost}` the cheapest proposal is accepted and the others rejected."""
    started = client.start_conversation(
        {
            "protocol": "fipa-contract-net",
            "participants": bidders,
            "content": {"task": 1},
            "select": {"min": "$.cost"},
        }
    ).unwrap()
    assert started.initiator == "api@caxton"
    with closing(client.events(conversation=started.id, after=0)) as events:
        awarded = next(event for event in events if event.type == "conversation.awarded")
    assert awarded.data["winner"] == "cheap@caxton"
    shown = client.conversation(started.id).unwrap()
    assert shown.winner == "cheap@caxton"
    states = {leg.participant: leg.outcome for leg in shown.legs}
    assert (states["dear@caxton"], states["middling@caxton"]) == ("rejected", "rejected")


def test_wait_answers_when_the_conversation_has_ended(client: Client, ask: Ask) -> None:
    """With `wait` a finished conversation is 200 with its result; an unfinished one 504."""
    client.deploy({"name": "worker"}, answering('{"performative":"inform","content":42}')).unwrap()
    client.deploy({"name": "idler"}, silent()).unwrap()
    spec = {"protocol": "fipa-request", "participants": ["worker"], "content": 1, "wait": "5s"}
    status, headers, view = ask("POST", "/conversations", body=spec)
    assert (status, view["outcome"], view["result"]) == (200, "success", 42)
    assert headers["Location"] == f"/api/v1/conversations/{view['id']}"
    spec = {**spec, "participants": ["idler"], "wait": "50ms"}
    assert ask("POST", "/conversations", body=spec)[0] == 504
    for name in ("worker", "idler"):
        client.remove_agent(name).unwrap()


@pytest.mark.parametrize(
    ("spec", "status"),
    [
        (b"{", 400),
        (b"{}", 400),
        (b'{"protocol": "fipa-request"}', 400),
        (b'{"protocol": "fipa-request", "participants": ["nobody"]}', 404),
        (b'{"protocol": "fipa-nonsense", "participants": ["mute"]}', 422),
        (b'{"protocol": "fipa-request", "participants": []}', 400),
        (b'{"protocol": "fipa-request", "participants": ["mute"], "wait": "soon"}', 422),
        (b'{"protocol": "fipa-contract-net", "participants": ["mute"], "select": {"min": 1}}', 400),
        (b'{"protocol": "fipa-contract-net", "participants": ["mute"], "select": {"a": "$"}}', 422),
    ],
)
def test_bad_specification_is_refused(
    ask: Ask, bidders: list[str], spec: bytes, status: int
) -> None:
    """What the server can't open is a 4xx."""
    assert ask("POST", "/conversations", body=spec)[0] == status


def test_open_conversation_can_be_cancelled(client: Client, ask: Ask, bidders: list[str]) -> None:
    """The server cancels what it has opened, once."""
    started = client.start_conversation(
        {"protocol": "fipa-request", "participants": ["mute"], "content": 1}
    ).unwrap()
    assert started.id in [view.id for view in client.conversations(limit=1000).unwrap().items]
    assert client.cancel_conversation(started.id).unwrap().state == "cancelling"
    page = client.call(
        "GET", f"/api/v1/conversations/{started.id}/messages", dict[str, object]
    ).unwrap()
    items = page["items"]
    assert isinstance(items, list)
    assert [item["message"]["performative"] for item in items] == ["request", "cancel"]
    error = client.cancel_conversation("01920000-0000-7000-8000-0000000000ff").failure()
    assert isinstance(error, Refused)
    assert (error.status, error.code) == (404, "conversation_not_found")


def test_events_resume_after_the_last_one_seen(client: Client) -> None:
    """A stream begun with Last-Event-ID brings exactly what came after it."""
    client.deploy({"name": "evented"}, silent()).unwrap()
    client.remove_agent("evented").unwrap()
    types = "agent.deployed,agent.removed"
    agent = "evented@caxton"
    with closing(client.events(types=types, agent=agent, after=0)) as events:
        deployed, removed = next(events), next(events)
    assert (deployed.type, removed.type) == ("agent.deployed", "agent.removed")
    with closing(client.events(types=types, agent=agent, after=deployed.seq)) as events:
        assert next(events) == removed


@pytest.mark.parametrize("seen", ["x", "-1", "1" * 30])
def test_bad_last_event_id_is_refused(ask: Ask, seen: str) -> None:
    """A Last-Event-ID that is no number is 400."""
    assert ask("GET", "/events", Last_Event_ID=seen)[0] == 400
