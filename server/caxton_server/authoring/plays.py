"""Plays: what came of playing a script, step by step, and what to tell of the first step that failed.

Rules:
- `expect` looks at everything said that no earlier step has claimed: each expected message must be there, in this order;
  what lies between stays for later steps.
- A script ends at its first failing step.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from caxton_core.errors import Problem
from caxton_core.ports import Sandbox
from caxton_core.registry import Registry, load
from caxton_core.resources import Manifest
from returns.result import Failure, Result, Success

from caxton_server.authoring import peers, rehearsals
from caxton_server.authoring.differences import differences, explain, shown, summary
from caxton_server.authoring.rehearsals import Broken, CantPlay, Message, Rehearsal
from caxton_server.authoring.scripts import Script, Step

_LOG_LINES: Final = 10


class Failed(msgspec.Struct, frozen=True):
    """The step that failed, at which line, and why; `log` is what the agent wrote last."""

    line: int
    step: str
    detail: str
    log: tuple[str, ...] = ()


class Played(msgspec.Struct, frozen=True):
    """A script that was played."""

    path: str
    name: str
    line: int
    steps: int
    failed: Failed | None = None


class _Unmet(Exception):
    """Says how a step failed; never leaves this module."""


def plugins() -> Result[Registry, CantPlay]:
    """Load the plugins of this installation, and the peers."""
    loaded = load(more={peers.Peers.name: peers.Plugin()})
    if isinstance(loaded, Failure):
        return Failure(CantPlay("\n".join(map(str, loaded.failure()))))
    return Success(loaded.unwrap())


def play(
    registry: Registry, sandboxes: Mapping[str, Sandbox], manifest: Manifest, module: bytes, script: Script
) -> Played:  # fmt: skip
    """Play one script against an agent."""
    return asyncio.run(_play(registry, sandboxes, manifest, module, script))


async def _play(
    registry: Registry, sandboxes: Mapping[str, Sandbox], manifest: Manifest, module: bytes, script: Script
) -> Played:  # fmt: skip
    line, kind = script.line, "start"
    stage = Rehearsal(registry, sandboxes, manifest)
    failed = None
    try:
        await stage.start(module, script)
        player = _Player(stage)
        for step in script.steps:
            line, kind = step.line, step.kind
            await player.take(step)
    except (Broken, _Unmet) as error:
        failed = Failed(line, kind, str(error), _log(stage))
    finally:
        await stage.stop()
    return Played(script.path, script.name, script.line, len(script.steps), failed)


def _log(stage: Rehearsal) -> tuple[str, ...]:
    found = stage.node.running and stage.node.kernel.find(stage.agent)
    logs = getattr(found, "logs", None)
    lines = [] if logs is None else logs.read()[-_LOG_LINES:]
    return tuple(f"{line.level} {line.text}" for line in lines)


class _Player:
    """Takes the steps of one script; `unclaimed` is what was said and no step has expected."""

    def __init__(self, stage: Rehearsal) -> None:
        self.stage = stage
        self.unclaimed: list[Message] = []
        self.claimed: list[Message] = []
        self.logged = 0

    async def take(self, step: Step) -> None:
        """Take one step."""
        if step.kind == "restart":
            await self.stage.restart()
        else:
            _STEPS[step.kind](self, step.body)

    def send(self, body: dict[str, Any]) -> None:
        """Say something to the agent."""
        message = {"receiver": self.stage.agent, **body}
        self.stage.send(message.pop("sender", "api"), message)

    def reply(self, body: dict[str, Any]) -> None:
        """Answer the message that was expected last, in its conversation."""
        sender = body.get("sender")
        asked = next((each for each in reversed(self.claimed) if _is_to(each, sender)), None)
        if asked is None:
            raise _Unmet(
                f"no message to {sender or 'anybody'} was expected before, so none can be answered"
            )
        if sender is None:
            given = asked["receiver"]
            sender = _local(given if isinstance(given, str) else given[0])
        token = asked.get("reply_with") or asked["id"]
        usual = {"receiver": asked["sender"], "conversation_id": asked.get("conversation_id"),
                 "protocol": asked.get("protocol"), "in_reply_to": token}  # fmt: skip
        message = {key: value for key, value in {**usual, **body}.items() if value is not None}
        message.pop("sender", None)
        self.stage.send(sender, message)

    def expect(self, wanted: list[dict[str, Any]]) -> None:
        """Find each message among those that nobody has claimed."""
        self._hear()
        at = 0
        for each in wanted:
            full = {"sender": self.stage.agent, **each}
            found = next(
                (i for i in range(at, len(self.unclaimed)) if not any(differences(full, self.unclaimed[i]))), None
            )  # fmt: skip
            if found is None:
                early = next(
                    (said for said in self.unclaimed[:at] if not any(differences(full, said))), None
                )
                if early is not None:
                    raise _Unmet(
                        f"expected  {shown(each)}\nand it was said, but before what stands above it"
                    )
                raise _Unmet(explain(each, self.unclaimed[at:]))
            self.claimed.append(self.unclaimed.pop(found))
            at = found

    def nothing(self, _: None) -> None:
        """Find that nothing was said but what was expected."""
        self._hear()
        if self.unclaimed:
            said = "\n".join(f"said      {summary(each)}" for each in self.unclaimed)
            raise _Unmet(f"expected  nothing\n{said}")

    def _hear(self) -> None:
        self.unclaimed += self.stage.heard()

    def advance(self, milliseconds: int) -> None:
        """Let time pass."""
        self.stage.advance(milliseconds)

    def expect_state(self, wanted: dict[str, Any]) -> None:
        """Look at what the agent has stored."""
        data = self.stage.cell().data
        for key, value in wanted.items():
            kept = data.get(key.encode())
            if not _is_kept(value, kept):
                raise _Unmet(f"expected  {key} = {shown(value)}\nkept      {_show_kept(kept)}")

    def expect_log(self, wanted: list[str]) -> None:
        """Look for texts in what the agent has logged since the last look."""
        lines = self.stage.cell().logs.read(self.logged)
        for text in wanted:
            if not any(text in line.text for line in lines):
                logged = (
                    "\n".join(f"logged    {line.text}" for line in lines)
                    or "but nothing was logged"
                )
                raise _Unmet(f"expected  a line with {shown(text)}\n{logged}")
        self.logged = lines[-1].seq if lines else self.logged


_STEPS: Final[Mapping[str, Callable[[_Player, Any], None]]] = {
    "send": _Player.send, "reply": _Player.reply, "expect": _Player.expect, "nothing": _Player.nothing,
    "advance": _Player.advance, "expect_state": _Player.expect_state, "expect_log": _Player.expect_log,
}  # fmt: skip


def _local(address: str) -> str:
    return address.partition("@")[0]


def _is_to(message: Message, name: str | None) -> bool:
    given = message["receiver"]
    return name is None or name in map(_local, [given] if isinstance(given, str) else given)


def _is_kept(wanted: Any, kept: bytes | None) -> bool:
    """Compare a stored value with text, or with the JSON it holds."""
    if kept is None or wanted is None:
        return kept is None and wanted is None
    if wanted == "*" or (isinstance(wanted, str) and wanted.encode() == kept):
        return True
    try:
        return not any(differences(wanted, msgspec.json.decode(kept)))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False


def _show_kept(kept: bytes | None) -> str:
    if kept is None:
        return "nothing"
    try:
        return shown(kept.decode())
    except UnicodeDecodeError:
        return f"the bytes {kept.hex(' ')}"


def play_all(
    registry: Registry, manifest: Manifest, module: bytes, scripts: list[Script], *,
    cache: str, told: Callable[[Played], None],
) -> Result[list[Played], Problem]:  # fmt: skip
    """Play scripts one after the other, telling of each as it ends."""
    with rehearsals.shared_sandboxes(registry, manifest.profile, cache) as made:
        if isinstance(made, Failure):
            return Failure(made.failure())
        played = []
        for script in scripts:
            played.append(play(registry, made.unwrap(), manifest, module, script))
            told(played[-1])
        return Success(played)
