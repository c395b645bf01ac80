"""The library of agents in Python, on this Python and a node of dictionaries; the real node is in test_samples.py."""

from __future__ import annotations

import io
import logging
from typing import Any

import pytest
from caxton_agent import (
    Agent,
    Event,
    Message,
    News,
    NotSent,
    Offer,
    OutsideStep,
    StateFull,
    TooManyTimers,
    accept_subscriber,
    ask,
    award,
    call,
    inform_subscribers,
    now,
    now_ms,
    promise,
    propose,
    random_bytes,
    send,
    set_timer,
    state,
    subscribe,
    tell,
)
from caxton_agent.hosts import step
from caxton_agent.logs import LogHandler, LogWriter, describe
from caxton_agent.testing import FakeNode


def request(**fields: Any) -> Message:
    """Make a message as it comes in."""
    return Message(performative="request", sender="you@caxton", id="m", **fields)


def test_a_reply_quotes_what_it_answers() -> None:
    """It goes where reply-to says, in the same conversation, and quotes the token, else the id."""
    asked = request(
        reply_to=("desk@caxton",), conversation_id="c", protocol="fipa-request", reply_with="t"
    )
    assert asked.inform(7) == Message(
        performative="inform", receivers=("desk@caxton",), content=7, conversation_id="c",
        protocol="fipa-request", in_reply_to="t",
    )  # fmt: skip
    plain = request()
    assert (plain.agree().receivers, plain.agree().in_reply_to) == (("you@caxton",), "m")


def test_who_asks_without_a_protocol_is_not_refused_but_failed() -> None:
    """Outside of a protocol there is no refuse."""
    assert request().refuse("no").performative == "failure"
    assert request(protocol="fipa-request").refuse("no").performative == "refuse"


def test_the_most_exact_handler_is_called() -> None:
    """A protocol says more than an ontology, that more than an act, and nothing the least; of equals the first."""
    agent, called = Agent(), []

    def note(name: str) -> Any:
        return lambda _message: called.append(name)

    agent.on()(note("any"))
    agent.on("request")(note("act"))
    agent.on("request")(note("second"))
    agent.on(ontology="o")(note("ontology"))
    agent.on("request", "query-ref", protocol="p")(note("protocol"))
    node = FakeNode(agent)
    node.ask("inform")
    node.ask("request")
    node.ask("request", ontology="o")
    node.ask("request", ontology="o", protocol="p")
    node.ask("inform", protocol="p")
    assert called == ["any", "act", "ontology", "protocol", "any"]


def test_what_nobody_handles_is_logged() -> None:
    """A message, a timer and news without a handler change nothing."""
    agent = Agent()

    @agent.on("inform")
    def open_all(_message: Message) -> None:
        set_timer(1, "nobody")
        ask("bob", 1)

    node = FakeNode(agent)
    assert node.ask("request") is None
    node.ask("inform")
    (asked,) = node.said()
    node.ask("inform", conversation_id=asked.conversation_id)
    node.advance(2)
    assert [text for level, text in node.logged if level == "debug"] == [
        "nobody handles the request from you@caxton",
        "nobody handles the news informed of the request",
        "nobody handles the timer 'nobody'",
    ]


def test_state_is_a_dictionary_of_json_and_bytes() -> None:
    """Values come back as they were written; what is not there is a KeyError, what has no room StateFull."""
    node = FakeNode(Agent())
    with step(node):
        state["a"] = {"b": [1, None, "é"]}
        assert (state["a"], state.get("x"), state.get("x", 5)) == ({"b": [1, None, "é"]}, None, 5)
        assert ("a" in state, "x" in state) == (True, False)
        state.put_bytes("raw", b"\xff")
        assert state.get_bytes("raw") == b"\xff"
        del state["a"]
        state.discard("a")
        with pytest.raises(KeyError):
            del state["a"]
        with pytest.raises(KeyError):
            state["a"]
        node.room = 10
        with pytest.raises(StateFull):
            state["a"] = "x" * 10


@pytest.mark.parametrize("value", [float("nan"), object(), "\ud800"])
def test_what_has_no_form_in_json_is_not_written(value: Any) -> None:
    """Neither into the state nor, by the same function, into a message."""
    with step(FakeNode(Agent())), pytest.raises((TypeError, ValueError)):
        state["a"] = value


def test_a_message_that_is_not_taken_says_why() -> None:
    """NotSent carries the refusal, and what was not sent."""
    node = FakeNode(Agent())
    node.refusals["bob"] = "mailbox-full"
    message = Message(performative="inform", receivers=("ann", "bob"))
    with step(node), pytest.raises(NotSent, match="inform to ann, bob: mailbox-full") as caught:
        send(message)
    assert (caught.value.refusal, caught.value.sent) == ("mailbox-full", message)


def test_a_misspelt_field_is_an_error() -> None:
    """What Message does not know is not sent without it."""
    with step(FakeNode(Agent())), pytest.raises(TypeError, match="conversation"):
        tell("bob", "inform", conversation="c")


def test_nothing_is_asked_of_the_node_outside_of_a_step() -> None:
    """What a module does when it is imported happens at build time, where there is no node."""
    for asked in (now_ms, now, lambda: random_bytes(4), lambda: state.get("a")):
        with pytest.raises(OutsideStep):
            asked()


def test_the_time_is_that_of_the_step() -> None:
    """In milliseconds, and as a date in UTC."""
    node = FakeNode(Agent())
    node.time = 1_800_000_000_500
    with step(node):
        assert (now_ms(), now().isoformat()) == (
            1_800_000_000_500,
            "2027-01-15T08:00:00.500000+00:00",
        )


def test_a_timer_brings_its_value_to_the_handler_of_its_name() -> None:
    """Once; too many, or one that carries too much, is an exception."""
    agent, rung = Agent(), list[Any]()
    agent.on_timer("tick")(rung.append)
    node = FakeNode(agent)
    with step(node):
        set_timer(1.5, "tick", {"n": 1})
        with pytest.raises(TooManyTimers):
            set_timer(1, "tick", "x" * 4096)
    node.advance(1.4)
    assert rung == []
    node.advance(10)
    assert rung == [{"n": 1}]


def test_a_timer_that_somebody_else_claims_to_bring_is_an_ordinary_message() -> None:
    """Only the platform's own AMS brings timers."""
    agent, rung, heard = Agent(), list[Any](), list[str]()
    agent.on_timer("tick")(rung.append)
    agent.on("inform")(lambda message: heard.append(message.sender))
    node = FakeNode(agent)
    for sender in ("eve@caxton", "ams@elsewhere"):
        node.ask("inform", '["tick",1]', sender=sender, ontology="caxton-timer")
    assert (rung, heard) == ([], ["eve@caxton", "ams@elsewhere"])


def newsman() -> tuple[Agent, list[News]]:
    """Make an agent that collects its news."""
    agent, news = Agent(), list[News]()
    for kind in ("request", "subscription", "contract-net", "promise", "offer"):
        agent.on_news(kind)(news.append)
    return agent, news


@pytest.mark.parametrize("opened", [ask, subscribe])
def test_what_can_not_be_opened_leaves_nothing(opened: Any) -> None:
    """No record and no timer remain of a conversation that the node does not take."""
    node = FakeNode(Agent())
    node.refusals["bob"] = "no-such-receiver"
    with step(node):
        with pytest.raises(NotSent):
            opened("bob", 1)
        with pytest.raises(NotSent):
            call(["ann", "bob"], 1)
    assert (node.world.state, node.world.timers) == ({}, {})


def test_an_answer_after_its_time_is_none() -> None:
    """The conversation is over when it expired, and a late result is an ordinary message."""
    agent, news = newsman()
    node = FakeNode(agent)
    with step(node):
        conversation = ask("bob", 1, note="n", wait=5)
    node.advance(5)
    assert news == []
    node.advance(0.002)
    assert [(each.event, each.note, each.message) for each in news] == [(Event.EXPIRED, "n", None)]
    node.ask("inform", "late", conversation_id=conversation)
    assert (len(news), node.world.state) == (1, {})


def test_the_platforms_not_understood_ends_no_request() -> None:
    """It is about a move of ours that was not legal; the partner may still answer."""
    agent, news = newsman()
    node = FakeNode(agent)
    with step(node):
        conversation = ask("bob", 1)
    node.ask("not-understood", sender="ams@caxton", conversation_id=conversation)
    node.ask("inform", "done", conversation_id=conversation)
    assert [each.event for each in news] == [Event.INFORMED]


def test_the_winner_may_be_gone_and_another_chosen() -> None:
    """An award that is not taken leaves the choice as it was."""
    agent, news = newsman()
    node = FakeNode(agent)
    with step(node):
        conversation = call(["ann", "ben"], "job")
    for name in ("ann", "ben"):
        fields = {"sender": name, "conversation_id": conversation, "in_reply_to": "opening"}
        node.ask("propose", name, reply_with=f"of {name}", **fields)
    assert [each.event for each in news] == [Event.CHOICE]
    ann, ben = news[0].offers
    assert ben == Offer("ben", "ben", "of ben")
    node.refusals["ann"] = "no-such-receiver"
    node.said()
    with step(node):
        with pytest.raises(NotSent):
            award(conversation, ann)
        award(conversation, ben)
    said = [(each.performative, each.receivers, each.in_reply_to) for each in node.said()]
    assert said == [("accept-proposal", ("ben",), "of ben")]
    with step(node), pytest.raises(KeyError):
        award(conversation, ben)


def test_an_offer_taken_back_is_void_and_a_failure_of_the_platform_is_an_answer() -> None:
    """Who closes its leg offers nothing any more; whom the platform can't reach is not waited for."""
    agent, news = newsman()
    node = FakeNode(agent)
    with step(node):
        conversation = call(["ann", "ben"], "job")
    fields = {"conversation_id": conversation, "in_reply_to": "opening"}
    node.ask("propose", 1, sender="ann", **fields)
    node.ask("failure", "gone", sender="ann", **fields)
    node.ask("failure", "gone", sender="ams@caxton", **fields)
    assert [each.event for each in news] == [Event.NOBODY]
    assert (node.world.state, node.world.timers) == ({}, {})


def test_without_room_a_promise_an_offer_and_a_subscriber_are_refused() -> None:
    """What can't be kept over a restart is not promised."""
    agent = Agent()
    agent.on("request")(promise)
    agent.on("cfp")(lambda message: propose(message, 1))
    agent.on("subscribe")(accept_subscriber)
    node = FakeNode(agent)
    node.room = 10
    for act in ("request", "cfp", "subscribe"):
        answer = node.ask(act, protocol="p", conversation_id=act)
        assert answer is not None
        assert answer.performative == "refuse"
    assert (node.world.state, node.world.timers) == ({}, {})


def test_a_subscriber_that_can_not_be_reached_is_forgotten_after_ten() -> None:
    """One that is reached in between is kept."""
    agent = Agent()
    agent.on("subscribe")(accept_subscriber)
    node = FakeNode(agent)
    for name in ("ann@caxton", "ben@caxton"):
        node.ask("subscribe", sender=name, conversation_id=name, protocol="fipa-subscribe")

    def missed() -> int:
        with step(node):
            return inform_subscribers(1)

    node.refusals["ann@caxton"] = "mailbox-full"
    assert [missed() for _ in range(9)] == [1] * 9
    del node.refusals["ann@caxton"]
    assert missed() == 0
    node.refusals["ann@caxton"] = "mailbox-full"
    assert [missed() for _ in range(11)] == [1] * 10 + [0]
    assert list(node.kept("caxton/subscribers")) == ["ben@caxton"]
    node.refusals["ben@caxton"] = "not-admitted"
    assert [missed(), missed()] == [1, 0]


def test_an_accepted_offer_without_a_handler_fails() -> None:
    """Who was chosen is owed an answer even if the agent forgot to write one."""
    agent = Agent()
    agent.on("cfp")(lambda message: propose(message, 1))
    node = FakeNode(agent)
    node.ask("cfp", conversation_id="c", protocol="fipa-contract-net")
    answer = node.ask("accept-proposal", conversation_id="c", protocol="fipa-contract-net")
    assert answer is not None
    assert answer.performative == "failure"


def test_an_exception_undoes_the_step() -> None:
    """What a handler has sent and stored before it raised is as it was."""
    agent = Agent()

    @agent.on("request")
    def fail(message: Message) -> None:
        state["a"] = 1
        tell("bob", "inform")
        raise ValueError("no")

    node = FakeNode(agent)
    with pytest.raises(ValueError, match="no"):
        node.ask("request")
    assert (node.world.state, node.said()) == ({}, [])


def test_state_is_handed_over_by_the_functions_of_the_agent() -> None:
    """Without them there is none to give, and what is given is let go."""
    agent, got = Agent(), list[bytes]()
    assert agent.export_state() is None
    agent.import_state(b"x")
    agent.exports_state(lambda: b"mine")
    agent.imports_state(got.append)
    agent.import_state(b"yours")
    assert (agent.export_state(), got) == (b"mine", [b"yours"])


def test_what_is_printed_is_logged_line_by_line() -> None:
    """A line that has no end yet waits for the rest of it, or for the end of the step."""
    node = FakeNode(Agent())
    with step(node):
        writer = LogWriter("info")
        print("a\nb", "c", end="", file=writer)
        writer.write("d\ne")
        writer.flush()
        writer.flush()
    assert node.logged == [("info", "a"), ("info", "b cd"), ("info", "e")]
    assert isinstance(writer, io.TextIOBase)


def test_records_of_logging_go_to_the_log_of_the_same_level() -> None:
    """With the name of their logger, and with the exception they carry."""
    node, handler = FakeNode(Agent()), LogHandler()
    with step(node):
        for level in (logging.DEBUG, logging.WARNING, logging.CRITICAL, 5):
            handler.emit(logging.LogRecord("shop", level, "f", 1, "%d left", (3,), None))
    levels = ["debug", "warn", "error", "trace"]
    assert node.logged == [(level, "shop: 3 left") for level in levels]


def test_an_exception_is_described_with_its_source() -> None:
    """File, line, function and the line itself; the cause comes first."""

    def fail() -> None:
        try:
            dict[str, int]()["a"]
        except KeyError as error:
            raise ValueError("no price") from error

    with pytest.raises(ValueError, match="no price") as caught:
        fail()
    lines = describe(caught.value).splitlines()
    assert [line for line in lines if not line.startswith("/") and "test_python" not in line] == [
        '    dict[str, int]()["a"]', "KeyError: 'a'", "... which led to:", "    fail()",
        '    raise ValueError("no price") from error', "ValueError: no price",
    ]  # fmt: skip
