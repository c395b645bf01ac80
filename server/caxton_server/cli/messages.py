"""`caxton send` and `caxton request`: one message to an agent, and its reply."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from caxton_server.cli.acl import read_acl
from caxton_server.cli.connections import (
    answer,
    connected,
    documents,
    json_option,
    plain,
    retried,
)
from caxton_server.cli.durations import DURATION
from caxton_server.cli.printing import as_json, clean, data, talk

if TYPE_CHECKING:
    from caxton_server.client import Client

_FIELDS = {
    "protocol": "Interaction protocol, e.g. fipa-request.",
    "conversation-id": "Conversation the message belongs to.",
    "ontology": "Ontology of the content.",
    "language": "Language of the content.",
    "reply-with": "Token the reply is to quote.",
    "in-reply-to": "Token of the message this one answers.",
    "reply-by": "When a reply is due: RFC 3339, or +5s.",
    "id": "The message's own id, a UUID; sending it again is harmless.",
}

_OPTIONS = (
    click.option("--text", is_flag=True, help="CONTENT is text even if it is JSON."),
    click.option(
        "--file",
        type=click.Path(path_type=Path),
        help="A whole ACL message as JSON or YAML; - reads standard input.",
    ),
    click.option(
        "--acl",
        type=click.Path(path_type=Path),
        help="A whole ACL message in FIPA's string form; - reads standard input.",
    ),
)


def _message_options(default: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the parts of a message, gathered into its parameter `message`."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def run(*args: Any, **kwargs: Any) -> None:
            names = ("to", "content", "performative", "text", "file", "acl")
            given = {name: kwargs.pop(name) for name in names}
            fields = {name: kwargs.pop(name) for name in (n.replace("-", "_") for n in _FIELDS)}
            message = {"performative": default, **compose(**given, fields=fields)}
            command(*args, message=message, **kwargs)

        for name, text in reversed(_FIELDS.items()):
            run = click.option(f"--{name}", help=text)(run)
        for option in reversed(_OPTIONS):
            run = option(run)
        act = f"The act of the message; default {default}."
        run = click.option("-p", "--performative", help=act)(run)
        run = click.argument("content", required=False)(run)
        return click.argument("to", required=False)(run)

    return decorate


def compose(
    to: str | None,
    content: str | None,
    performative: str | None,
    text: bool,
    file: Path | None,
    fields: dict[str, str | None],
    acl: Path | None = None,
) -> dict[str, Any]:
    """Return the message that arguments and options describe; they win over the file (JSON, YAML, or a text)."""
    message: dict[str, Any] = {}
    if acl is not None:
        if file is not None:
            raise click.UsageError("--file and --acl exclude each other.")
        message = read_acl(acl)
        # Texts name their sender; a client is `api`, and the node refuses who claims to be somebody else.
        if str(message.get("sender", "")).partition("@")[0] == "api":
            del message["sender"]
    if file is not None:
        read = documents(file)
        if not isinstance(read, dict):
            raise click.UsageError(f"{file} is no message: expected a mapping.")
        message.update(read)
    if to is not None:
        receivers = [name.strip() for name in to.split(",") if name.strip()]
        message["receiver"] = receivers[0] if len(receivers) == 1 else receivers
    if not message.get("receiver"):
        raise click.UsageError("Say whom the message is for: TO, or a file with a receiver.")
    if content is not None:
        message["content"] = read_content(content, text=text)
    given = {"performative": performative, **fields}
    message.update({name: value for name, value in given.items() if value is not None})
    return message


def read_content(content: str, *, text: bool = False) -> Any:
    """Return content as JSON if it is some, else as the text it is; `-` reads standard input.

    >>> read_content('{"x": 1}'), read_content("hello"), read_content("5", text=True)
    ({'x': 1}, 'hello', '5')
    """
    written = sys.stdin.read() if content == "-" else content
    if text:
        return written
    try:
        return json.loads(written)
    except (ValueError, RecursionError):
        return written


@click.command()
@_message_options("inform")
@retried
@connected
@json_option
def send(
    node: Client, /, message: dict[str, Any], key: str | None, retry: float, json_: bool
) -> None:
    """Send a message and return when the node has it; TO is one agent, or several with commas.

    CONTENT is JSON if it can be read so, else text; - reads standard input.

    \b
    Examples:
      caxton send pricer '{"sku": "A1", "price": 7}'
      caxton send --file message.json
      caxton send --acl message.acl
      caxton send pricer 7 --retry 30s
    """
    node.retry = retry
    accepted = answer(node.send(message, key=key))
    if json_:
        data(accepted)
    else:
        talk(f"Accepted ({accepted.durability}).")
        click.echo(accepted.id)


@click.command()
@_message_options("request")
@click.option(
    "--wait", type=DURATION, default="5s", show_default=True, help="How long to wait for the reply."
)
@retried
@connected
@json_option
def request(
    node: Client,
    /,
    message: dict[str, Any],
    wait: float,
    key: str | None,
    retry: float,
    json_: bool,
) -> None:
    """Send a message, wait for the reply and print its content; exit code 6 when none comes.

    A refusal or a failure is a reply too.

    \b
    Example:
      caxton request pricer '{"sku": "A1"}' --wait 10s
    """
    node.retry = retry
    exchange = answer(node.request(message, wait=wait, key=key))
    if json_:
        data(exchange)
        return
    reply = plain(exchange.reply)
    talk(f"{reply.get('performative')} from {reply.get('sender')}:")
    content = reply.get("content")
    click.echo(clean(content) if isinstance(content, str) else as_json(content))
