"""feed: tells its subscribers what it is told to; follows the feed in its configuration, if there is one."""

from typing import Any

from caxton_agent import (
    Agent,
    Event,
    Message,
    News,
    NotSent,
    accept_subscriber,
    inform_subscribers,
    set_timer,
    state,
    subscribe,
)

ANSWER, RETRY = 5.0, 1.0
agent = Agent()


@agent.on_start
def begin(config: Any) -> None:
    """Follow a feed; the subscription outlives this instance, so only the first one makes it."""
    if "follow" in config and "followed" not in state:
        state["followed"] = config["follow"]
        follow(None)


@agent.on_timer("follow")
def follow(_content: Any) -> None:
    """Subscribe to the feed we follow; it may not be there yet."""
    try:
        subscribe(state["followed"], None, wait=ANSWER)
    except NotSent:
        set_timer(RETRY, "follow")


@agent.on_news("subscription")
def heard(news: News) -> None:
    """Keep what we are told; whatever ends the subscription, we subscribe anew."""
    if news.event is Event.INFORMED:
        state["last"] = news.content
    elif news.event is not Event.AGREED:
        set_timer(RETRY, "follow")


@agent.on("subscribe")
def accept(message: Message) -> Message:
    """Take a subscriber on."""
    return accept_subscriber(message)


@agent.on("request")
def asked(message: Message) -> Message:
    """Tell the subscribers, or who asks, the last value."""
    match message.content:
        case "last":
            return message.inform({"last": state.get("last")})
        case {"tell": value}:
            inform_subscribers(value)
            return message.inform("told")
        case _:
            return message.refuse("tell what?")
