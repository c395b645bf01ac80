"""Conversations over HTTP: the server as initiator, lists, cancel, events."""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Iterator
from contextlib import closing

import pytest
from caxton_server.client import Client
from caxton_server.client_errors import Refused

from tests.server.rest.conftest import Ask, Hosted
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


def test_messages_of_a_conversation_are_streamed_until_it_ends(
    client: Client, hosted: Hosted, ask: Ask, bidders: list[str]
) -> None:
    """The stream has what the list has, resumes behind any entry, and ends with the conversation."""
    spec = {"protocol": "fipa-contract-net", "participants": bidders, "select": {"min": "$.cost"}}
    started = client.start_conversation(spec).unwrap()
    stream = client.follow_messages(started.id)
    first = [next(stream) for _ in range(7)]
    client.cancel_conversation(started.id).unwrap()
    client.remove_agent("cheap").unwrap()
    acts = [view.message["performative"] for view in [*first, *stream]]
    assert acts[:4] == ["cfp", "propose", "propose", "propose"]
    assert sorted(acts[4:7]) == ["accept-proposal", "reject-proposal", "reject-proposal"]
    assert "cancel" in acts[7:]
    assert client.conversation(started.id).unwrap().outcome is not None
    path = f"/conversations/{started.id}/messages?follow=1"
    url = f"{hosted.server.url}/api/v1{path}"
    with urllib.request.urlopen(url, timeout=30) as answer:
        whole = answer.read().decode()
    ids = re.findall(r"^id: (\d+)\nevent: message$", whole, re.MULTILINE)
    assert len(ids) == len(acts)
    assert [int(number) for number in ids] == sorted({int(number) for number in ids})
    resumed = urllib.request.Request(url, headers={"Last-Event-ID": ids[3]})
    with urllib.request.urlopen(resumed, timeout=30) as answer:
        assert re.findall(r"^id: (\d+)$", answer.read().decode(), re.MULTILINE) == ids[4:]
    assert ask("GET", path, Last_Event_ID="x")[0] == 400
    assert ask("GET", "/conversations/none/messages?follow=1")[0] == 404


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"auction": {"start": 1, "step": 1}}, "$.auction"),
        ({"winners": 1}, "$.winners"),
        ({"reply_by": "soon"}, "$.reply_by"),
        ({"reply_by": "2001-01-01T00:00:00Z"}, "$.reply_by"),
        ({"performative": "cfp"}, "$.performative"),
    ],
)
def test_a_field_that_makes_no_sense_is_named(
    ask: Ask, bidders: list[str], fields: dict[str, object], where: str
) -> None:
    """It is 422, and the text says which field."""
    body = {"protocol": "fipa-request", "participants": ["mute"], **fields}
    status, _, problem = ask("POST", "/conversations", body=body)
    assert (status, problem["code"]) == (422, "invalid_message")
    assert where in problem["detail"]
