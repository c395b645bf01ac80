"""Messages over HTTP: sent, answered, waited for, refused, found again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from caxton_server.client import Client
from caxton_server.client_errors import Refused

from tests.server.rest.conftest import Ask
from tests.server.rest.guests import answering, silent, trapping


@pytest.fixture
def agents(client: Client) -> Iterator[None]:
    """An agent that answers, one that does not, one that traps."""
    inform = answering('{"performative":"inform","content":{"said":"hi"}}')
    guests = {"talker": inform, "mute": silent(), "trapper": trapping()}
    for name, module in guests.items():
        client.deploy({"name": name}, module).unwrap()
    yield
    for name in guests:
        client.remove_agent(name)


def request(receiver: str, **more: Any) -> dict[str, Any]:
    """Return a request."""
    return {"performative": "request", "receiver": receiver, "content": {"ask": 1}, **more}


@pytest.mark.usefixtures("agents")
def test_message_is_acknowledged_with_its_durability(client: Client, ask: Ask) -> None:
    """202 names the message, its conversation and what the acknowledgement is worth."""
    status, _, accepted = ask("POST", "/messages", body=request("talker"))
    assert status == 202
    assert accepted.keys() == {"id", "conversation_id", "durability"}
    assert accepted["durability"] == "memory"
    shown = client.message(accepted["id"]).unwrap()
    assert shown.message["sender"] == "api@caxton"
    assert shown.message["receiver"] == "talker@caxton"
    assert shown.history[0].event == "sent"


@pytest.mark.usefixtures("agents")
@pytest.mark.parametrize("protocol", [{}, {"protocol": "fipa-request"}])
def test_wait_answers_with_the_reply(client: Client, protocol: dict[str, str]) -> None:
    """With `wait` the reply comes with the message it answers."""
    exchange = client.request(request("talker", **protocol)).unwrap()
    assert exchange.reply["content"] == {"said": "hi"}
    assert exchange.reply["sender"] == "talker@caxton"
    assert exchange.reply["in_reply_to"] == exchange.message["id"]
    page = client.messages(conversation_id=exchange.message["conversation_id"]).unwrap()
    assert [view.message["id"] for view in page.items] == [
        exchange.message["id"],
        exchange.reply["id"],
    ]


@pytest.mark.usefixtures("agents")
def test_failure_of_the_platform_is_a_reply(client: Client) -> None:
    """When the receiver traps, the failure of the AMS is what the waiting client gets."""
    exchange = client.request(request("trapper")).unwrap()
    assert exchange.reply["performative"] == "failure"
    assert exchange.reply["sender"] == "ams@caxton"
    assert exchange.reply["content"]["reason"] == "trap"


@pytest.mark.usefixtures("agents")
def test_silence_is_a_timeout(client: Client) -> None:
    """A reply that does not come in time is 504."""
    error = client.request(request("mute"), wait=0.05).failure()
    assert isinstance(error, Refused)
    assert (error.status, error.code, error.exit_code) == (504, "timeout", 6)


@pytest.mark.usefixtures("agents")
@pytest.mark.parametrize(
    ("message", "status", "code"),
    [
        (request("nobody"), 404, "agent_not_found"),
        ({"performative": "shout", "receiver": "talker"}, 422, "invalid_message"),
        ({"receiver": "talker"}, 422, "invalid_message"),
        (request("talker", nonsense=1), 422, "invalid_message"),
        (request("talker", protocol="fipa-nonsense"), 422, "unknown_protocol"),
        (request("talker", content="x" * 300_000), 413, "payload_too_large"),
        ({"performative": "agree", "receiver": "talker"}, 409, "not_admitted"),
        (request("talker", sender=None), 400, "sender_not_allowed"),
    ],
)
def test_refused_message_says_why(
    ask: Ask, message: dict[str, Any], status: int, code: str
) -> None:
    """What is not accepted is a 4xx with the API's code."""
    got, _, answer = ask("POST", "/messages", body=message)
    assert (got, answer["code"]) == (status, code)
    assert (code == "not_admitted") is ("reason" in answer)


def test_nesting_is_limited(ask: Ask) -> None:
    """A message nested deeper than 64 levels is refused unread."""
    body = b'{"performative":"inform","receiver":"a","content":' + b"[" * 70 + b"]" * 70 + b"}"
    assert ask("POST", "/messages", body=body)[0] == 422
    assert ask("POST", "/messages", body=b"[" * 1_000_000)[0] == 422


@pytest.mark.usefixtures("agents")
def test_same_id_is_handled_once(client: Client, ask: Ask) -> None:
    """The same id with the same body gets the first answer, with another body 409."""
    message = request("mute", id="01920000-0000-7000-8000-000000000001")
    first = ask("POST", "/messages", body=message)
    assert first[0] == 202
    assert ask("POST", "/messages", body=message)[2] == first[2]
    status, _, answer = ask("POST", "/messages", body={**message, "content": 2})
    assert (status, answer["code"]) == (409, "conflict")
    assert client.stats("mute").unwrap().messages_in == 1


@pytest.mark.usefixtures("agents")
def test_messages_are_listed_in_pages(client: Client) -> None:
    """The messages of an agent come in the order in which they were sent, page by page."""
    sent = [client.send(request("mute")).unwrap().id for _ in range(5)]
    found: list[str] = []
    cursor: str | None = None
    while len(found) < 100:
        page = client.messages(agent="mute", limit=2, cursor=cursor).unwrap()
        found += [view.message["id"] for view in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert found == sent


def test_unknown_message_is_not_found(ask: Ask) -> None:
    """A message nobody sent is 404."""
    assert ask("GET", "/messages/01920000-0000-7000-8000-0000000000ff")[0] == 404
    assert ask("GET", "/messages/nonsense")[0] == 404


@pytest.mark.usefixtures("agents")
def test_dead_letter_is_kept_redriven_and_removed(client: Client, ask: Ask) -> None:
    """A message that trapped its receiver is a dead letter until it is removed."""
    sent = client.request(request("trapper", protocol="fipa-request")).unwrap()
    letters = client.dead_letters().unwrap().items
    (letter,) = [one for one in letters if one.message["id"] == sent.message["id"]]
    assert (letter.reason, letter.receiver) == ("trap", "trapper@caxton")
    status, _, accepted = ask("POST", f"/dead-letters/{letter.id}/redrive")
    assert status == 202
    again = client.message(accepted["id"]).unwrap()
    assert again.message["x_redrive_of"] == sent.message["conversation_id"]
    for one in client.dead_letters().unwrap().items:
        client.remove_dead_letter(one.id).unwrap()
    assert ask("DELETE", f"/dead-letters/{letter.id}")[0] == 404
    assert ask("POST", f"/dead-letters/{letter.id}/redrive")[0] == 404


def test_full_mailbox_says_when_to_try_again(client: Client, ask: Ask) -> None:
    """A message for which there is no room is 503 with Retry-After; nothing is dropped silently."""
    client.deploy({"name": "small", "limits": {"mailbox": 1}}, silent()).unwrap()
    client.control("small", "suspend").unwrap()
    assert ask("POST", "/messages", body=request("small"))[0] == 202
    status, headers, answer = ask("POST", "/messages", body=request("small"))
    assert (status, answer["code"]) == (503, "mailbox_full")
    assert headers["Retry-After"] == "1"
    client.remove_agent("small").unwrap()


ACL = "application/fipa-acl"


@pytest.mark.usefixtures("agents")
def test_a_message_may_be_in_string_form(client: Client, ask: Ask) -> None:
    """It is the JSON message that it stands for: sent, waited for, and once under its id."""
    text = b"""(request :sender (agent-identifier :name api@caxton) :receiver (set (agent-identifier :name TALKER))
        :content "{\\"ask\\": 1}" :X-caxton-json (content) :X-caxton-id "018f3a5e-0000-7000-8000-0000000000ac")"""
    status, _, accepted = ask("POST", "/messages", body=text, Content_Type=ACL)
    assert (status, accepted.get("detail")) == (202, None)
    assert client.message(accepted["id"]).unwrap().message["content"] == {"ask": 1}
    spaced = text.replace(b"\n", b" ")
    assert ask("POST", "/messages", body=spaced, Content_Type=ACL)[::2] == (202, accepted)
    status, _, exchange = ask("POST", "/messages?wait=5s", body=text, Content_Type=ACL)
    assert (status, exchange["reply"]["content"]) == (200, {"said": "hi"})
    other = text.replace(b": 1}", b": 2}")
    assert ask("POST", "/messages", body=other, Content_Type=ACL)[0] == 409


@pytest.mark.parametrize(
    ("text", "status", "code", "detail"),
    [
        (b"(request :protocol 7up)", 422, "invalid_message", "line 1, column 20 (byte 19)"),
        (b"(inform :X-caxton-json (content))", 422, "invalid_message", "X-caxton-json names content"),
        (b"(inform :sender (agent-identifier :name ann))", 400, "sender_not_allowed", "api@caxton"),
        (b"(inform :receiver (set (agent-identifier :name nobody)))", 404, "agent_not_found", "nobody"),
    ],
)  # fmt: skip
def test_a_bad_text_is_refused(ask: Ask, text: bytes, status: int, code: str, detail: str) -> None:
    """422 says where, and the rules of JSON messages hold."""
    got, _, problem = ask("POST", "/messages", body=text, Content_Type=ACL)
    assert (got, problem["code"]) == (status, code)
    assert detail in problem["detail"]
