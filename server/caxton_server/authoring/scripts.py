"""Scripts that test an agent: YAML documents of steps, read and checked before anything runs.

Rules:
- Every document of a file is one script; the lines of its steps are kept, so that a failure can name one.
- An unknown key is an error that names the nearest known one, as in a manifest.
- What a step says stays a plain JSON value: the messages are the kernel's to judge.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

import msgspec
import yaml
from caxton_core.documents import nearest
from caxton_core.errors import Problem
from caxton_core.ids import AgentName
from caxton_core.units import Duration
from returns.result import Failure, Result, Success

KEYS: Final = ("name", "config", "peers", "steps")
STEPS: Final = (
    "send", "reply", "expect", "nothing", "advance", "restart", "expect_state", "expect_log",
)  # fmt: skip


class InvalidScript(Problem, frozen=True):
    """A file of scripts can't be played."""

    path: str
    line: int
    detail: str
    code: ClassVar[str] = "invalid_script"
    SENTENCE: ClassVar[str] = "{path}:{line}: {detail}."


class Peer(msgspec.Struct, frozen=True):
    """An agent that a script speaks for, with the services it offers."""

    name: str
    services: tuple[Any, ...] = ()


class Step(msgspec.Struct, frozen=True):
    """One step: its kind, a word of `STEPS`, and what was written behind it."""

    line: int
    kind: str
    body: Any


class Script(msgspec.Struct, frozen=True):
    """One script; `config` goes over that of the manifest."""

    path: str
    line: int
    name: str
    config: Mapping[str, Any]
    peers: tuple[Peer, ...]
    steps: tuple[Step, ...]


class _Wrong(Exception):
    """Says what is wrong where; never leaves this module."""

    def __init__(self, line: int, detail: str) -> None:
        super().__init__(detail)
        self.line, self.detail = line, detail


def read(path: Path, shown: str) -> Result[list[Script], InvalidScript]:
    """Read the scripts of a file, which errors call `shown`."""
    try:
        return Success(list(_scripts(path.read_text("utf-8"), shown)))
    except _Wrong as wrong:
        return Failure(InvalidScript(shown, wrong.line, wrong.detail))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        return Failure(InvalidScript(shown, line, f"it is no YAML: {error.problem}"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        reason = getattr(error, "strerror", None) or str(error) or "nested too deeply"
        return Failure(InvalidScript(shown, 1, f"it can't be read: {reason}"))


def _scripts(text: str, shown: str) -> Iterator[Script]:
    loader = yaml.SafeLoader(text)
    try:
        while loader.check_node():
            node = loader.get_node()
            # A composed document, and the values its nodes stand for.
            value = None if node is None else loader.construct_document(node)
            if node is not None and value is not None:
                yield _script(value, _lines(node), node.start_mark.line + 1, shown)
    finally:
        loader.dispose()


def _lines(node: Any) -> list[int]:
    """Return the line of each step."""
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        if key.value == "steps" and isinstance(value, yaml.SequenceNode):
            return [each.start_mark.line + 1 for each in value.value]
    return []


def _script(value: Any, lines: list[int], line: int, shown: str) -> Script:
    if not isinstance(value, dict):
        raise _Wrong(line, "a script is a mapping with `steps`")
    _known(value, KEYS, line, "a script")
    try:
        msgspec.json.encode(value)
    except (TypeError, ValueError) as error:
        raise _Wrong(line, f"it holds what has no form in JSON: {error}") from None
    steps = value.get("steps")
    if not isinstance(steps, list) or not steps:
        raise _Wrong(line, "`steps` is a list of steps")
    config, name = value.get("config") or {}, value.get("name") or f"line {line}"
    if not isinstance(config, dict) or not isinstance(name, str):
        raise _Wrong(line, "`config` is a mapping, and `name` is text")
    read = tuple(_step(step, at) for step, at in zip(steps, lines, strict=True))
    peers = {each.name: each for each in _peers(value.get("peers") or [], line)}
    for step in read:
        for who in _speakers(step):
            peers.setdefault(who, Peer(who))
    return Script(shown, line, name, config, tuple(peers.values()), read)


def _known(value: Mapping[str, Any], known: tuple[str, ...], line: int, what: str) -> None:
    for key in value:
        if key not in known:
            near = nearest(str(key), known)
            raise _Wrong(
                line, f"{what} has no {key!r}" + (f"; did you mean {near!r}?" if near else "")
            )


def _step(value: Any, line: int) -> Step:
    if isinstance(value, str):
        value = {value: None}
    if not isinstance(value, dict) or len(value) != 1:
        raise _Wrong(line, f"a step has one key, which is one of {', '.join(STEPS)}")
    _known(value, STEPS, line, "a step")
    ((kind, body),) = value.items()
    body = _READERS[kind](body, line)
    return Step(line, kind, body)


def _message(body: Any, line: int) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise _Wrong(line, "a message is a mapping, such as {performative: request}")
    if "performative" not in body:
        raise _Wrong(line, "a message has a `performative`")
    return body


def _expected(body: Any, line: int) -> list[dict[str, Any]]:
    wanted = body if isinstance(body, list) else [body]
    if not wanted or not all(isinstance(each, dict) for each in wanted):
        raise _Wrong(line, "`expect` is a list of messages, each as much of one as matters")
    return wanted


def _duration(body: Any, line: int) -> int:
    parsed = Duration.parse(str(body))
    if isinstance(parsed, Failure):
        raise _Wrong(line, f"`advance` is a duration: {str(parsed.failure()).rstrip('.')}")
    return parsed.unwrap()


def _nothing(body: Any, line: int) -> None:
    if body not in (None, True):
        raise _Wrong(line, "this step says nothing more than its name")


def _state(body: Any, line: int) -> dict[str, Any]:
    if not isinstance(body, dict) or not body:
        raise _Wrong(line, "`expect_state` is a mapping of keys to values")
    return {str(key): value for key, value in body.items()}


def _log(body: Any, line: int) -> list[str]:
    texts = body if isinstance(body, list) else [body]
    if not texts or not all(isinstance(each, str) for each in texts):
        raise _Wrong(line, "`expect_log` is a text, or a list of texts")
    return texts


_READERS: Final[Mapping[str, Any]] = {
    "send": _message, "reply": _message, "expect": _expected, "nothing": _nothing, "advance": _duration,
    "restart": _nothing, "expect_state": _state, "expect_log": _log,
}  # fmt: skip


def _peers(value: Any, line: int) -> Iterator[Peer]:
    """Read the peers that a script names: each a name, or a mapping with its services."""
    if not isinstance(value, list):
        raise _Wrong(line, "`peers` is a list of names, or of {name, services}")
    for each in value:
        peer = each if isinstance(each, dict) else {"name": each}
        _known(peer, ("name", "services"), line, "a peer")
        services = peer.get("services") or []
        if not isinstance(peer.get("name"), str) or not isinstance(services, list):
            raise _Wrong(line, "a peer has a `name`, and perhaps a list of `services`")
        _named(peer["name"], line)
        yield Peer(peer["name"], tuple(services))


def _named(name: str, line: int) -> None:
    checked = AgentName.of(name)
    if isinstance(checked, Failure):
        raise _Wrong(line, str(checked.failure()).rstrip("."))


def _speakers(step: Step) -> Iterator[str]:
    """Yield the peers that a step makes speak."""
    who = step.body.get("sender") if step.kind in ("send", "reply") else None
    if who is None or who == "api":
        return
    if not isinstance(who, str):
        raise _Wrong(step.line, "`sender` is the name of a peer, or api")
    _named(who, step.line)
    yield who
