"""Greets whoever asks, and counts its visitors; the count outlives every restart."""

from caxton_agent import Agent, Message, state

agent = Agent()


@agent.on("request")
def greet(message: Message) -> Message:
    """Say hello, and who is asking."""
    # What is kept is part of the step, as the answer is: both happen, or neither.
    state["visitors"] = state.get("visitors", 0) + 1
    return message.inform({"hello": message.content, "visitor": state["visitors"]})
