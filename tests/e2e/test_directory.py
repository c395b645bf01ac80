"""The directory over HTTP, with a WebAssembly agent that registers and subscribes, through a kill -9."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.nodes import Api, Node, until
from tests.e2e.wat import ASKED, RELAY, guest

DF = "(agent-identifier :name df@caxton)"
WEATHER = "(service-description :name forecast :type weather)"
ANN = f"(df-agent-description :name (agent-identifier :name ann) :services (set {WEATHER}))"
WANTED = "(df-agent-description :services (set (service-description :type weather)))"

QUEUED = "+00000000000"
"""What the agent says of a `send` that returned 0."""


def call(function: str, *arguments: str) -> str:
    """Return the content of a request to the DF."""
    return f"((action {DF} ({' '.join((function, *arguments))})))"


def notices(api: Api) -> list[Any]:
    """Return what the DF has told the agent in its subscription."""
    items = api.all("messages?conversation_id=watch")
    return [item["message"] for item in items if item["message"]["sender"] == "df@caxton"]


@pytest.mark.timeout(120)
def test_what_an_agent_registers_and_subscribes_to_survives_a_kill(
    nodes: Callable[..., Node],
) -> None:
    """It is found by search, by REST and by its service before and after; changes behind the kill are told."""
    node = nodes()
    api = node.api
    body = f"(if (i32.eqz {ASKED}) (then (return (i32.const 0)))) {RELAY}"
    api.agent("ann", guest(body))
    message = {"performative": "request", "receiver": "df", "content": call("register", ANN)}
    assert api.ask("ann", message)["content"] == QUEUED
    shown = until(lambda: api.get("directory?type=weather")["items"])
    assert shown == [
        {"agent": "ann@caxton", "type": "weather", "name": "forecast", "protocols": []}
    ]
    subscribe = {
        "performative": "subscribe", "receiver": "df", "protocol": "fipa-subscribe", "conversation_id": "watch",
        "content": f"((iota ?x (result {call('search', WANTED)[1:-1]} ?x)))",
    }  # fmt: skip
    assert api.ask("ann", subscribe)["content"] == QUEUED
    until(lambda: len(notices(api)) == 2)

    api = node.again()
    assert api.get("directory?type=weather")["items"] == shown
    search = api.ask("df", call("search", WANTED), protocol="fipa-request")
    assert (search["performative"], search["content"]) == (
        "inform",
        (
            f"((result {call('search', WANTED)[1:-1]} "
            f"(set (df-agent-description :name (agent-identifier :name ann@caxton) :services (set {WEATHER})))))"
        ),
    )
    assert api.get("conversations/watch")["state"] == "active"
    api.agent("ben", guest(), services=[{"type": "weather"}])
    told = until(lambda: len(notices(api)) == 3 and notices(api))
    assert [each["performative"] for each in told] == ["agree", "inform", "inform"]
    assert "ben@caxton" in told[2]["content"]
    assert "ann@caxton" not in told[2]["content"]
    sent = api.send("service:weather*", "rain?")
    assert sent.status == 202, sent
    shown_ = api.get(f"messages/{sent.body['id']}")
    assert sorted(shown_["message"]["receiver"]) == ["ann@caxton", "ben@caxton"]

    refused = api.ask("ann", {**message, "content": call("register", ANN)})
    assert refused["content"] == QUEUED
    deregister = call("deregister", "(df-agent-description :name (agent-identifier :name ann))")
    api.ask("ann", {**message, "content": deregister})
    until(lambda: len(notices(api)) == 4)
    node.again()
    assert [item["agent"] for item in node.api.get("directory")["items"]] == ["ben@caxton"]


def test_nobody_offers_it(api: Api) -> None:
    """The answer is 404 and names the service."""
    answer = api.send("service:nothing")
    assert (answer.status, answer.body["code"]) == (404, "agent_not_found")
    assert "service:nothing" in answer.body["detail"]


def test_what_the_directory_does_not_understand_is_answered(api: Api) -> None:
    """At once, with the reason."""
    assert api.ask("df", {"not": "SL0"})["content"].endswith("(unrecognised-value content))")
    assert api.ask("df", call("fly"))["content"].endswith("(unsupported-function fly))")
