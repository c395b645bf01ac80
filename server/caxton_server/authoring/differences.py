"""How a message differs from what was expected of it.

Rules:
- What is expected is part of a message: members that are not named may be anything.
- `"*"` is any value that is there, null one that is not; everything else is exactly so, numbers by their value.
- Lists have as many items as expected. Agents may be named without their platform.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

ANY: Final = "*"
_ADDRESSES: Final = ("sender", "receiver", "reply_to")
_ABSENT: Final = object()


def differences(wanted: Any, got: Any, path: str = "") -> Iterator[str]:
    """Yield a sentence for every place where a value is not what was wanted.

    >>> list(differences({"content": {"n": 2}}, {"content": {"n": 1, "m": 0}, "id": "x"}))
    ['content.n: expected 2, got 1']
    >>> list(differences({"id": "*", "ontology": None}, {"id": "x"}))
    []
    """
    if wanted == ANY and got is not _ABSENT:
        return
    if isinstance(wanted, Mapping) and isinstance(got, Mapping):
        for key, value in wanted.items():
            found = got.get(key, _ABSENT)
            inside = f"{path}.{key}" if path else str(key)
            if not path and key in _ADDRESSES and found is not _ABSENT:
                value, found = _full(value, found), found
            yield from differences(value, found, inside)
    elif isinstance(wanted, list) and isinstance(got, list) and len(wanted) == len(got):
        for index, (value, found) in enumerate(zip(wanted, got, strict=True)):
            yield from differences(value, found, f"{path}[{index}]")
    elif not _same(wanted, got):
        yield f"{path or 'it'}: expected {shown(wanted)}, got {shown(got)}"


def _same(wanted: Any, got: Any) -> bool:
    if got is _ABSENT:
        return wanted is None
    # For Python 1 is True; for JSON it is not.
    return isinstance(wanted, bool) == isinstance(got, bool) and bool(wanted == got)


def _full(wanted: Any, found: Any) -> Any:
    """Name the platform in an expected address as the message names it."""
    if isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        return [_full(value, each) for value, each in zip(wanted, found, strict=True)]
    if isinstance(wanted, str) and isinstance(found, str) and wanted != ANY and "@" not in wanted:
        return wanted + found[found.find("@") :] if "@" in found else wanted
    return wanted


def shown(value: Any) -> str:
    """Return a value as JSON; nothing is a word of its own."""
    if value is _ABSENT:
        return "nothing"
    return json.dumps(value, ensure_ascii=False)


def summary(message: Mapping[str, Any]) -> str:
    """Return a message in one line: who says what to whom.

    >>> summary({"performative": "inform", "sender": "a@x", "receiver": "b@x", "content": [1]})
    'a: inform to b [1]'
    """
    given = message.get("receiver", "")
    receivers = ", ".join(map(_local, [given] if isinstance(given, str) else given))
    content = f" {shown(message['content'])}" if "content" in message else ""
    return f"{_local(message.get('sender', ''))}: {message['performative']} to {receivers}{content}"


def _local(address: str) -> str:
    return address.partition("@")[0]


def explain(wanted: Mapping[str, Any], said: Sequence[Mapping[str, Any]]) -> str:
    """Say what was expected, what was said instead, and how the likeliest of it differs."""
    lines = [f"expected  {shown(wanted)}"]
    if not said:
        return "\n".join([*lines, "but nothing was said"])
    lines += [f"said      {summary(each)}" for each in said]
    nearest = min(said, key=lambda each: len(list(differences(wanted, each))))
    found = list(differences(wanted, nearest))
    lines.append(f"differs   from {summary(nearest)}" if len(said) > 1 else "differs")
    return "\n".join([*lines, *(f"  {each}" for each in found)])
