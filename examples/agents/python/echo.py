"""echo: answers a request with what it was asked."""

from caxton_agent import Agent, Message

agent = Agent()


@agent.on("request")
def echo(message: Message) -> Message:
    """Answer with the same."""
    return message.inform(message.content)
