"""bidder: offers to do what a call asks for at the cost in its configuration, and does it when it is chosen."""

from typing import Any

from caxton_agent import Agent, Event, Message, News, propose

agent = Agent()


@agent.on_start
def check(config: Any) -> None:
    """Refuse to start without a cost."""
    if not isinstance(config.get("cost"), int):
        raise TypeError("the configuration names no `cost`")


@agent.on("cfp")
def bid(message: Message) -> Message:
    """Make an offer, unless it is asked for less."""
    cost = agent.config["cost"]
    match message.content:
        case {"limit": int(limit)} if cost > limit:
            return message.refuse("too cheap")
    return propose(message, {"cost": cost}, hold=60)


@agent.on_news("offer")
def decided(news: News) -> Message | None:
    """Do the work when the offer is accepted."""
    if news.event is Event.ACCEPTED and news.message:
        return news.message.inform({"done": True, "cost": agent.config["cost"]})
    return None
