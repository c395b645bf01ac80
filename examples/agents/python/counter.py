"""counter: adds what requests say; the sum outlives every restart."""

from caxton_agent import Agent, Message, StateFull, state

agent = Agent()


@agent.on("request")
def add(message: Message) -> Message:
    """Add, and answer with the sum."""
    match message.content:
        # True is an int of Python's, and no number of JSON's.
        case {"add": int(more)} if not isinstance(more, bool):
            count = state.get("count", 0) + more
        case _:
            return message.refuse("add what?")
    try:
        state["count"] = count
    except StateFull:
        return message.refuse("no room")
    return message.inform({"count": count})
