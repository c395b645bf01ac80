"""JSON messages as messages of ACL's string form.

Rules:
- JSON to string to JSON is the identity, but for what the two sides call the same: one receiver and a list of one.
- A value without an expression is written as JSON text, and `X-caxton-json` names the parameters that are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from returns.result import Failure, Result, Success

from caxton_core.acl_expressions import NoExpression, expression_of
from caxton_core.acl_names import (
    ID,
    JSON_TEXT,
    RESERVED,
    TEXT_FIELDS,
    TIMESTAMP,
    TRACE,
    Refused,
    key_of,
    parameter_of,
)
from caxton_core.acl_printer import text_of, token_of
from caxton_core.acl_times import time_of
from caxton_core.acl_tokens import is_word
from caxton_core.acl_values import AclMessage, AgentIdentifier, DateTime, Expression, String, Word
from caxton_core.errors import InvalidMessage
from caxton_core.messages import Draft, draft_of
from caxton_core.nesting import MAX_NESTING, too_deep


def parse_document(data: bytes) -> Result[AclMessage, InvalidMessage]:
    """Read a JSON message from bytes, under the rules of `parse_draft`.

    >>> parse_document(b'{"performative": "inform", "content": {"a": 1}}').unwrap().parameters
    (('X-caxton-json', (Word(text='content'),)),)
    """
    if too_deep(data, "json"):
        return Failure(InvalidMessage(f"nested deeper than {MAX_NESTING} levels"))
    try:
        fields = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return Failure(InvalidMessage(str(error)))
    if not isinstance(fields, dict):
        return Failure(InvalidMessage(f"Expected `object`, got `{type(fields).__name__}`"))
    return message_of(fields)


def message_of(document: Mapping[str, Any]) -> Result[AclMessage, InvalidMessage]:
    """Return the message that a JSON message is.

    >>> message_of({"performative": "inform", "receiver": "a b"}).unwrap().receiver
    (AgentIdentifier(name='a b', addresses=(), resolvers=(), slots=()),)
    >>> print(message_of({"performative": "inform", "protocol": "two words"}).failure())
    Invalid message: 'two words' is no word.
    """
    draft = draft_of(dict(document))
    if isinstance(draft, InvalidMessage):
        return Failure(draft)
    try:
        return Success(_message(draft, document))
    except Refused as refused:
        return Failure(refused.error)
    except UnicodeEncodeError as error:
        return Failure(InvalidMessage(f"text that is no Unicode: {error.reason}"))


def _message(draft: Draft, document: Mapping[str, Any]) -> AclMessage:
    marked: list[str] = []
    own: dict[str, Expression] = {}
    for key, value in (draft.extras or {}).items():
        name = parameter_of(key)
        own[name] = _own_value(name, value, key, marked)
    content = draft.content
    if content is msgspec.UNSET:
        content = None
    elif not isinstance(content, str):
        content = msgspec.json.encode(content).decode()
        marked.insert(0, "content")
    _name_fields(own, draft)
    if marked:
        own[JSON_TEXT] = tuple([Word(name) for name in marked])
    _distinct(own)
    made = AclMessage(
        performative=draft.performative,
        sender=None if draft.sender is None else _agent_of(draft.sender, "/sender"),
        receiver=_agents_of(document.get("receiver"), "/receiver"),
        reply_to=_agents_of(document.get("reply_to"), "/reply_to"),
        content=content,
        protocol=None if draft.protocol is None else _word(draft.protocol, "/protocol"),
        reply_by=None if draft.reply_by is None else _time(draft.reply_by, "reply_by"),
        parameters=tuple(own.items()),
        **{
            field: None if text is None else token_of(text)
            for field in TEXT_FIELDS
            for text in (getattr(draft, field),)
        },
    )
    # Half a surrogate pair has no encoding; no decoder makes one, but a program may.
    msgspec.json.encode(made)
    return made


def _name_fields(own: dict[str, Expression], draft: Draft) -> None:
    """Add the parameters that are fields in JSON."""
    fields: list[tuple[str, Expression | None]] = [
        (ID, None if draft.id is None else text_of(draft.id)),
        (TIMESTAMP, None if draft.timestamp is None else _time(draft.timestamp, "timestamp")),
        (TRACE, None if draft.traceparent is None else text_of(draft.traceparent)),
    ]
    for name, value in fields:
        if value is not None:
            if name in own:
                raise Refused(f"{name} is given twice", f"/{key_of(name)}")
            own[name] = value


def _own_value(name: str, value: Any, key: str, marked: list[str]) -> Expression:
    """Return the value of a user-defined parameter; JSON text, marked as such, if it has no expression."""
    if not is_word(name):
        raise Refused(f"{name!r} is no word", f"/{key}")
    reserved = name.lower() in RESERVED or (
        name.lower() == TRACE.lower() and isinstance(value, str)
    )
    if reserved:
        raise Refused(f"{name} is a field with another name", f"/{key}")
    try:
        return expression_of(value)
    except NoExpression:
        marked.append(name)
        return String(msgspec.json.encode(value).decode())


def _distinct(own: Mapping[str, Expression]) -> None:
    names: set[str] = set()
    for name in own:
        # As the parser does: only ASCII letters have case.
        lower = name.encode().lower().decode()
        if lower in names:
            raise Refused(f"{name} is given twice", f"/{key_of(name)}")
        names.add(lower)


def _agents_of(value: Any, path: str) -> tuple[AgentIdentifier, ...] | None:
    if value is None:
        return None
    several = value if isinstance(value, list) else [value]
    return tuple([_agent_of(agent, path) for agent in several])


def _agent_of(value: Any, path: str) -> AgentIdentifier:
    """Return the agent that a name or an object is."""
    if isinstance(value, str):
        value = {"name": value}
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        raise Refused("an agent is a name, or an object with a name", path)
    name = value["name"]
    if name.endswith("\\") and not is_word(name):
        raise Refused(f"{name!r} has no string form: it ends in a backslash", path)
    addresses = value.get("addresses") or []
    resolvers = value.get("resolvers") or []
    if not isinstance(addresses, list) or not isinstance(resolvers, list):
        raise Refused("addresses and resolvers are lists", path)
    slots: dict[str, Expression] = {}
    for key, item in value.items():
        if key in ("name", "addresses", "resolvers"):
            continue
        slot = parameter_of(key)
        if key[:2] not in ("x_", "X_") or len(key) < 3 or not is_word(slot):
            raise Refused(f"Object contains unknown field `{key}`", path)
        try:
            slots[slot] = expression_of(item)
        except NoExpression:
            raise Refused("the value has no string form", f"{path}/{key}") from None
    _distinct(slots)
    return AgentIdentifier(
        name,
        tuple([_word(address, path) for address in addresses]),
        tuple([_agent_of(resolver, path) for resolver in resolvers]),
        tuple(slots.items()),
    )


def _word(text: Any, path: str) -> str:
    if not isinstance(text, str) or not is_word(text):
        raise Refused(f"{text!r} is no word", path)
    return text


def _time(text: str, field: str) -> DateTime:
    found = time_of(text, relative=field == "reply_by")
    if found is None:
        raise Refused(f"{field} {text[:40]!r} is no time", f"/{field}")
    return found
