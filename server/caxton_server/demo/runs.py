"""A run of the demo through the API: deploy the agents, ask for a schedule, watch, collect and check it.

Rules:
- Nothing here knows the node: all that is done and seen goes through the client.
- A run may be taken up again in a data folder where it was interrupted; what is there already is left as it is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import msgspec
from returns.result import Failure, Result, Success

from caxton_server.client import Client
from caxton_server.client_errors import BadAnswer, Refused, TimedOut, Unreachable
from caxton_server.demo.shops import DISPATCHER, KINDS, NET, job_name, manifests, module_of
from caxton_server.jobshop import InfeasibleSchedule, Instance, Placement, check_schedule

POLL_SECONDS = 0.05
STALL_SECONDS = 60.0
WAIT_SECONDS = 10.0
PAGE = 500


class SchedulingFailed(msgspec.Struct, frozen=True, tag=True):
    """The agents gave up, or did nothing for long."""

    placed: int
    total: int
    reason: str

    def __str__(self) -> str:
        return f"{self.reason}: {self.placed} of {self.total} operations are placed"


class AnotherShop(msgspec.Struct, frozen=True, tag=True):
    """An agent is there already, and belongs to another instance."""

    agent: str

    def __str__(self) -> str:
        return f"the data folder holds another problem's agents, {self.agent} is one of them"


RunError: TypeAlias = (
    Refused
    | Unreachable
    | TimedOut
    | BadAnswer
    | SchedulingFailed
    | AnotherShop
    | InfeasibleSchedule
)


class Status(msgspec.Struct, frozen=True):
    """What the dispatcher says of itself."""

    placed: int
    total: int
    makespan: int
    state: str


class Outcome(msgspec.Struct, frozen=True):
    """What `caxton demo --json` prints; docs/demo.md fixes the names."""

    instance: str
    optimum: int | None
    makespan: int
    schedule: list[Placement]
    conversations: int
    messages: int
    seconds: float
    url: str


class Watcher:
    """Is told how a run goes; does nothing by itself."""

    def deployed(self, done: int, total: int) -> None:
        """Note that so many agents run."""

    def placed(self, status: Status) -> None:
        """Note how far the schedule is."""


class _Stop(Exception):
    def __init__(self, error: RunError) -> None:
        self.error = error


def run(client: Client, instance: Instance, watcher: Watcher) -> Result[Outcome, RunError]:
    """Let agents schedule an instance, and check what they agree on."""
    try:
        _deploy(client, instance, watcher)
        began = time.monotonic()
        _follow(client, watcher)
        seconds = time.monotonic() - began
        schedule = _collect(client, instance)
        conversations, messages = _count(client)
    except _Stop as stopped:
        return Failure(stopped.error)
    return check_schedule(instance, schedule).map(
        lambda makespan: Outcome(
            instance.name,
            instance.optimum,
            makespan,
            sorted(schedule, key=lambda placement: (placement.start, placement)),
            conversations,
            messages,
            round(seconds, 3),
            client.url,
        )
    )


def _need(result: Result[Any, Any]) -> Any:
    """Return what a call gave; its error ends the run."""
    if isinstance(result, Success):
        return result.unwrap()
    raise _Stop(result.failure())


def _deploy(client: Client, instance: Instance, watcher: Watcher) -> None:
    digests = {kind: _need(client.push_module(module_of(kind))).sha256 for kind in KINDS}
    wanted = list(manifests(instance))
    for done, (kind, manifest) in enumerate(wanted, start=1):
        digest = "sha256:" + digests[kind].removeprefix("sha256:")
        deployed = client.deploy({**manifest, "module": digest})
        if _is_there(deployed):
            _check_version(client, manifest)
        else:
            _need(deployed)
        watcher.deployed(done, len(wanted))


def _is_there(result: Result[Any, Any]) -> bool:
    """Tell whether a deploy was refused because the agent is already there."""
    if isinstance(result, Success):
        return False
    error = result.failure()
    return isinstance(error, Refused) and error.code == "agent_exists"


def _check_version(client: Client, manifest: Mapping[str, Any]) -> None:
    """Stop when an agent that is already there belongs to another instance."""
    if _need(client.agent(manifest["name"])).version != manifest["version"]:
        raise _Stop(AnotherShop(manifest["name"]))


def _ask(client: Client, agent: str, act: str) -> Any:
    """Ask an agent and return the content of its answer."""
    message = {"performative": act, "receiver": agent, "content": "schedule"}
    reply = _need(client.request(message, wait=WAIT_SECONDS)).reply
    if reply.get("performative") != "inform":
        raise _Stop(SchedulingFailed(0, 0, f"{agent} answered {reply.get('content')}"))
    return reply.get("content")


def _follow(client: Client, watcher: Watcher) -> None:
    """Start the dispatcher and watch it until all is placed."""
    ask: Callable[[str], Status] = lambda act: msgspec.convert(  # noqa: E731 - one line, used twice
        _ask(client, DISPATCHER, act), Status
    )
    status = ask("request")
    moved = time.monotonic()
    while status.state == "running":
        watcher.placed(status)
        time.sleep(POLL_SECONDS)
        before, status = status, ask("query-ref")
        if status.placed != before.placed:
            moved = time.monotonic()
        elif time.monotonic() - moved > STALL_SECONDS:
            raise _Stop(SchedulingFailed(status.placed, status.total, "nothing moves any more"))
    watcher.placed(status)
    if status.state != "done":
        raise _Stop(SchedulingFailed(status.placed, status.total, "the agents gave up"))


def _collect(client: Client, instance: Instance) -> list[Placement]:
    """Ask every job for what it has booked."""
    return [
        Placement(job, operation, *booking)
        for job in range(len(instance.jobs))
        for operation, booking in enumerate(_ask(client, job_name(job), "query-ref")["schedule"])
    ]


def _count(client: Client) -> tuple[int, int]:
    """Count the contract nets and the messages in them."""
    conversations = messages = 0
    cursor: str | None = None
    while True:
        page = _need(client.conversations(protocol=NET, limit=PAGE, cursor=cursor))
        conversations += len(page.items)
        messages += sum(item.messages for item in page.items)
        cursor = page.next_cursor
        if cursor is None:
            return conversations, messages
