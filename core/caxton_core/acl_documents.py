"""Messages of ACL's string form as JSON messages.

Every text that `parse_acl` reads has a JSON message, unless it misuses a parameter that is Caxton's own.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from returns.result import Failure, Result, Success

from caxton_core.acl_expressions import name_of, value_of
from caxton_core.acl_names import ID, JSON_TEXT, TEXT_FIELDS, TIMESTAMP, TRACE, Refused, key_of
from caxton_core.acl_times import time_text
from caxton_core.acl_values import AclMessage, AgentIdentifier, DateTime, Expression, String, Word
from caxton_core.errors import InvalidMessage
from caxton_core.nesting import MAX_NESTING, too_deep

_ENCODING: Final = "x_caxton_encoding"


def document_of(message: AclMessage) -> Result[dict[str, Any], InvalidMessage]:
    """Return the JSON message that a message is.

    >>> from caxton_core.acl_strings import parse_acl
    >>> document_of(parse_acl(b"(request :receiver (set (agent-identifier :name a@b)) :X-note 5)").unwrap()).unwrap()
    {'performative': 'request', 'receiver': 'a@b', 'x_note': 5}
    """
    try:
        return Success(_document(message))
    except Refused as refused:
        return Failure(refused.error)


def _document(message: AclMessage) -> dict[str, Any]:
    own = dict(message.parameters)
    document: dict[str, Any] = {"performative": str(message.performative)}
    if message.sender is not None:
        document["sender"] = _agent_value(message.sender)
    for field, agents in (("receiver", message.receiver), ("reply_to", message.reply_to)):
        if agents is not None:
            values = [_agent_value(agent) for agent in agents]
            document[field] = values[0] if len(values) == 1 else values
    if message.content is not None:
        document["content"] = message.content
    for field in TEXT_FIELDS:
        value = getattr(message, field)
        if value is not None:
            document[field] = name_of(value)
    if message.protocol is not None:
        document["protocol"] = message.protocol
    if message.reply_by is not None:
        document["reply_by"] = time_text(message.reply_by)
    marked = _marked(own)
    _identify(own, marked, document)
    extras = {key_of(name): value_of(value) for name, value in own.items()}
    for name in marked:
        holder, key = (document, name) if name == "content" else (extras, key_of(name))
        holder[key] = _decoded(holder.get(key), name, key)
    if isinstance(document.get("content"), bytes):
        # The contract's form of bytes; the encoding they have inside base64 is kept beside it.
        document["content"] = base64.b64encode(document["content"]).decode("ascii")
        if "encoding" in document:
            extras.setdefault(_ENCODING, document["encoding"])
        document["encoding"] = "base64"
    return {**document, **extras}


def _agent_value(agent: AgentIdentifier) -> str | dict[str, Any]:
    """Return a name where there is nothing but a name, else an object."""
    if not (agent.addresses or agent.resolvers or agent.slots):
        return agent.name
    value: dict[str, Any] = {"name": agent.name}
    if agent.addresses:
        value["addresses"] = list(agent.addresses)
    if agent.resolvers:
        value["resolvers"] = [_agent_value(resolver) for resolver in agent.resolvers]
    return {**value, **{key_of(name): value_of(slot) for name, slot in agent.slots}}


def _find(own: Mapping[str, Expression], wanted: str) -> str | None:
    """Return the name under which a parameter was given: case does not matter."""
    return next((name for name in own if name.lower() == wanted.lower()), None)


def _marked(own: dict[str, Expression]) -> list[str]:
    """Take out the names of the parameters whose value is JSON text."""
    name = _find(own, JSON_TEXT)
    if name is None:
        return []
    found = own.pop(name)
    if not isinstance(found, tuple):
        raise Refused(f"{name} is no list of names", f"/{key_of(name)}")
    return [name_of(item) for item in found]


def _identify(own: dict[str, Expression], marked: list[str], document: dict[str, Any]) -> None:
    """Take out the parameters that are fields in JSON."""
    if (name := _find(own, ID)) is not None:
        value = own.pop(name)
        if isinstance(value, tuple | DateTime):
            raise Refused(f"{name} is no text", f"/{key_of(name)}")
        document["id"] = name_of(value)
    if (name := _find(own, TIMESTAMP)) is not None:
        value = own.pop(name)
        if not isinstance(value, DateTime) or value.sign:
            raise Refused(f"{name} is no absolute time", f"/{key_of(name)}")
        document["timestamp"] = time_text(value)
    # Anybody may use this name, so what is no trace context stays what it is.
    if (name := _find(own, TRACE)) is not None and name not in marked:
        value = own[name]
        if isinstance(value, Word | String) and isinstance(value_of(value), str):
            document["traceparent"] = value_of(own.pop(name))


def _decoded(text: Any, name: str, key: str) -> Any:
    """Decode a value that is marked as JSON text."""
    if not isinstance(text, str):
        raise Refused(f"{JSON_TEXT} names {name}, which is no text", f"/{key_of(JSON_TEXT)}")
    data = text.encode()
    if too_deep(data, "json"):
        raise Refused(f"nested deeper than {MAX_NESTING} levels", f"/{key}")
    try:
        return msgspec.json.decode(data)
    except msgspec.DecodeError as error:
        raise Refused(f"is no JSON: {error}", f"/{key}") from None
