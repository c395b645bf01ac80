"""roles: opens and answers conversations as it is ordered to, and tells the API what it hears of them."""

from __future__ import annotations

import logging
from typing import Any

from caxton_agent import (
    Agent,
    Event,
    Message,
    News,
    NotSent,
    Offer,
    ask,
    award,
    break_promise,
    call,
    cancel,
    cancel_timer,
    keep_promise,
    new_random,
    now,
    promise,
    propose,
    reject_all,
    set_timer,
    state,
    subscribe,
    tell,
)

agent = Agent()


@agent.on("request", ontology="order")
def obey(message: Message) -> Message:
    """Do what is ordered, and answer with what came of it."""
    order = message.content
    content, note, wait = order.get("content"), order.get("note"), order.get("wait", 60)
    try:
        match order:
            case {"ask": str(whom)}:
                state["opened"] = ask(whom, content, note=note, wait=wait)
            case {"subscribe": str(whom)}:
                state["opened"] = subscribe(whom, content, note=note, wait=wait)
            case {"call": list(whom)}:
                state["opened"] = call(whom, content, note=note, wait=wait)
            case {"cancel": _}:
                return message.inform(cancel(state["opened"], wait=wait))
            case {"award": str(name)}:
                chosen = next(each for each in state["offers"] if each[0].startswith(name))
                award(state["opened"], Offer(*chosen), content, wait=wait)
            case {"reject": reason}:
                reject_all(state["opened"], reason)
            case {"keep": result}:
                return message.inform(keep_promise(state["promised"], result))
            case {"break": reason}:
                return message.inform(break_promise(state["promised"], reason))
            case {"time": seconds}:
                return message.inform({"timer": set_timer(seconds, "alarm", {"at": seconds})})
            case {"untime": timer}:
                return message.inform(cancel_timer(timer))
            case {"surroundings": _}:
                print("printed", {"a": 1})  # noqa: T201  # it goes to the log, which is what is tried
                logging.getLogger("roles").warning("logged")
                return message.inform([now().year, 0 <= new_random().random() < 1])
            case {"raise": text}:
                state["lost"] = True
                raise ValueError(text)
            case {"return": value}:
                return value  # type: ignore[no-any-return]  # what a handler may not return
    except NotSent as refused:
        return message.failure(refused.refusal)
    return message.inform("opened")


@agent.on("request", "query-ref")
def asked(message: Message) -> Message | None:
    """Promise to answer later."""
    state["promised"] = message.conversation_id
    return promise(message)


@agent.on("cfp")
def bid(message: Message) -> Message:
    """Offer what the call says."""
    return propose(message, message.content, hold=30)


def report(news: News) -> None:
    """Tell the API what has happened."""
    if news.event is Event.CHOICE:
        state["offers"] = [[each.sender, each.content, each.token] for each in news.offers]
    told = [news.kind, str(news.event), news.note, news.content, len(news.offers)]
    tell("api", "inform", told, ontology="news")


agent.on_news("request")(report)
agent.on_news("subscription")(report)
agent.on_news("contract-net")(report)
agent.on_news("promise")(report)


@agent.on_news("offer")
def decided(news: News) -> Message | None:
    """Do the work, now or later."""
    report(news)
    if news.event is not Event.ACCEPTED or news.message is None:
        return None
    if news.message.content == "later":
        state["promised"] = news.conversation
        return promise(news.message)
    return news.message.inform("done")


@agent.on_timer("alarm")
def ring(content: Any) -> None:
    """Tell the API."""
    tell("api", "inform", content, ontology="alarm")
