"""What the tests of the directory share: contents in SL0, and what was answered to them."""

from __future__ import annotations

from typing import Any

from tests.server.runtime.nodes import Bench, Message, Script, Tools

DF = "(agent-identifier :name df@caxton)"
SUBSCRIBE = "fipa-subscribe"


def aid(name: str) -> str:
    """Return an agent identifier."""
    return f"(agent-identifier :name {name})"


def described(name: str = "", type: str = "", **more: str) -> str:
    """Return a df-agent-description with one service."""
    named = f" :name {aid(name)}" if name else ""
    service = f" :services (set (service-description :name {type}-1 :type {type}))" if type else ""
    rest = "".join(f" :{key.replace('_', '-')} {value}" for key, value in more.items())
    return f"(df-agent-description{named}{service}{rest})"


def action(function: str, *arguments: str, service: str = DF) -> str:
    """Return the content of a request."""
    call = " ".join((function, *arguments))
    return f"((action {service} ({call})))"


def persistent(template: str) -> str:
    """Return the content of a subscription."""
    return f"((iota ?x (result (action {DF} (search {template})) ?x)))"


def asking_df() -> Script:
    """Return an agent that sends what the API hands it as content, a message to the DF."""

    def act(message: Message, tools: Tools) -> None:
        if message["sender"] == "api@caxton":
            assert tools.send(**message["content"]) == 0

    return Script(act)


def ask(
    bench: Bench, content: str, *, receiver: str = "df", act: str = "request", **fields: Any
) -> Message:
    """Ask from the API, and return the one answer."""
    conversation = fields.pop("conversation_id", None) or f"ask-{bench.node.kernel.serial}"
    heard = bench.heard(conversation)
    bench.post(receiver, act, content=content, conversation_id=conversation, **fields)
    for _ in range(50):
        bench.advance(0.001)
        if heard:
            break
    (answer,) = heard
    return answer


def says(message: Message) -> tuple[str, str]:
    """Return an answer's act and the last part of its content: the reason, or what is done."""
    content: str = message["content"]
    return message["performative"], content
