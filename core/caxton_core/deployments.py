"""How an agent moves from one version to the next.

Rules:
- validating: the version is checked and has no instance; deploying: it has one, and traffic by the strategy's share.
- paused: the share stands still until somebody resumes, promotes or goes back.
- promoting: all new conversations go to it while the version before drains; running: it is the agent's version.
- draining: a newer version has taken over and its own conversations end; superseded: a newer deployment replaced
  it, at the end of its life or before it got that far.
- rolled-back, failed, aborted: the version before has all new conversations again; because of what was observed,
  because the version did not start, because somebody asked.
- A strategy is pure: `decide` maps (deployment, observation) to effects; its moves are `Advance` effects, and the
  runtime stores the deployment before it performs the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final, Generic, Literal, Protocol, TypeAlias, TypeVar

import msgspec
from returns.result import Result

from caxton_core.effects import RolloutEffect
from caxton_core.errors import InvalidTransition
from caxton_core.ids import AgentId, DeploymentId, ModuleDigest
from caxton_core.tables import A, B, Table, Transition
from caxton_core.units import Duration, Percentage


class DeploymentState(StrEnum):
    """The states of a deployment, in their wire form."""

    VALIDATING = "validating"
    DEPLOYING = "deploying"
    PAUSED = "paused"
    PROMOTING = "promoting"
    RUNNING = "running"
    DRAINING = "draining"
    FAILED = "failed"
    ROLLED_BACK = "rolled-back"
    ABORTED = "aborted"
    SUPERSEDED = "superseded"


Validating: TypeAlias = Literal[DeploymentState.VALIDATING]
Deploying: TypeAlias = Literal[DeploymentState.DEPLOYING]
Paused: TypeAlias = Literal[DeploymentState.PAUSED]
Promoting: TypeAlias = Literal[DeploymentState.PROMOTING]
Running: TypeAlias = Literal[DeploymentState.RUNNING]
Draining: TypeAlias = Literal[DeploymentState.DRAINING]
Failed: TypeAlias = Literal[DeploymentState.FAILED]
RolledBack: TypeAlias = Literal[DeploymentState.ROLLED_BACK]
Aborted: TypeAlias = Literal[DeploymentState.ABORTED]
Superseded: TypeAlias = Literal[DeploymentState.SUPERSEDED]
_ = DeploymentState

DEPLOY: Transition[Validating, Deploying] = Transition("deploy", (_.VALIDATING,), _.DEPLOYING)
PAUSE: Transition[Deploying, Paused] = Transition("pause", (_.DEPLOYING,), _.PAUSED)
RESUME: Transition[Paused, Deploying] = Transition("resume", (_.PAUSED,), _.DEPLOYING)
PROMOTE: Transition[Deploying | Paused, Promoting] = Transition(
    "promote", (_.DEPLOYING, _.PAUSED), _.PROMOTING
)
COMPLETE: Transition[Promoting, Running] = Transition("complete", (_.PROMOTING,), _.RUNNING)
DRAIN: Transition[Running, Draining] = Transition("drain", (_.RUNNING,), _.DRAINING)
SUPERSEDE: Transition[Validating | Deploying | Paused | Draining, Superseded] = Transition(
    "supersede", (_.VALIDATING, _.DEPLOYING, _.PAUSED, _.DRAINING), _.SUPERSEDED
)
ROLL_BACK: Transition[Deploying | Paused | Promoting | Running, RolledBack] = Transition(
    "rollback", (_.DEPLOYING, _.PAUSED, _.PROMOTING, _.RUNNING), _.ROLLED_BACK
)
ABORT: Transition[Validating | Deploying | Paused, Aborted] = Transition(
    "abort", (_.VALIDATING, _.DEPLOYING, _.PAUSED), _.ABORTED
)
FAIL: Transition[Validating | Deploying | Paused | Promoting, Failed] = Transition(
    "fail", (_.VALIDATING, _.DEPLOYING, _.PAUSED, _.PROMOTING), _.FAILED
)

DEPLOYMENT: Final = Table(
    "deployment", _.VALIDATING, DEPLOY, PAUSE, RESUME, PROMOTE, COMPLETE, DRAIN, SUPERSEDE, ROLL_BACK, ABORT, FAIL
)  # fmt: skip

LIVE: Final = frozenset({_.VALIDATING, _.DEPLOYING, _.PAUSED, _.PROMOTING})
"""The states of a rollout under way: an agent has at most one."""


# What somebody asked for


class Direct(msgspec.Struct, frozen=True, tag_field="strategy", tag="direct"):
    """All new conversations at once."""


class BlueGreen(msgspec.Struct, frozen=True, tag_field="strategy", tag="blue-green"):
    """All at once, after the new version has run beside the old for a while."""

    warm_up: Duration = Duration(0)


class CanaryStage(msgspec.Struct, frozen=True):
    """A share of the new conversations, for a while."""

    share: Percentage
    duration: Duration


class RollbackConditions(msgspec.Struct, frozen=True):
    """What makes a canary go back; with fewer conversations than `min_samples` nothing is concluded."""

    max_failures: Percentage = Percentage(5)
    min_samples: int = 20


class Canary(msgspec.Struct, frozen=True, tag_field="strategy", tag="canary"):
    """Growing shares, each judged before the next."""

    stages: tuple[CanaryStage, ...]
    rollback: RollbackConditions = RollbackConditions()


class MetricComparison(msgspec.Struct, frozen=True):
    """How far a metric of the shadow may be from the original's."""

    metric: str
    tolerance: Percentage


class Shadow(msgspec.Struct, frozen=True, tag_field="strategy", tag="shadow"):
    """Copies of whole conversations, whose results are compared and thrown away."""

    duration: Duration
    compare: tuple[MetricComparison, ...] = ()


DeploymentStrategy: TypeAlias = Direct | BlueGreen | Canary | Shadow

S_co = TypeVar("S_co", bound=StrEnum, covariant=True)


class Deployment(msgspec.Struct, Generic[S_co], frozen=True, kw_only=True):
    """One move of an agent to `version`, away from `previous` ("" for an agent's first).

    `strategy` is the name of the plugin that decides, `plan` what it was asked to do; `step`, `share` and `since`
    (epoch ms) say how far it got.
    """

    id: DeploymentId
    agent: AgentId
    version: str
    module: ModuleDigest
    state: S_co
    created: int
    previous: str = ""
    strategy: str = "direct"
    plan: DeploymentStrategy = Direct()
    step: int = 0
    share: Percentage = Percentage(0)
    since: int = 0
    detail: str = ""


def take(row: Transition[A, B], deployment: Deployment[A]) -> Deployment[B]:
    """Follow a row that the type allows: total, so no Result."""
    moved: Any = msgspec.structs.replace(deployment, state=row.target)
    result: Deployment[B] = moved
    return result


def fire(
    deployment: Deployment[DeploymentState], event: str
) -> Result[Deployment[DeploymentState], InvalidTransition]:
    """Apply an event by name, when the state is known at run time only; an unknown event is a KeyError."""
    return DEPLOYMENT.fire(deployment.state, event).map(
        lambda target: msgspec.structs.replace(deployment, state=target)
    )


# What a strategy gets to know


class Validated(msgspec.Struct, frozen=True, tag=True):
    """The version was checked; nothing of it runs yet."""


class VersionStarted(msgspec.Struct, frozen=True, tag=True):
    """An instance of the version is ready for traffic."""


class VersionFailed(msgspec.Struct, frozen=True, tag=True):
    """The version did not start, or was given up by supervision."""

    reason: str
    detail: str


class Promoted(msgspec.Struct, frozen=True, tag=True):
    """The version has all new conversations."""


class TimerFired(msgspec.Struct, frozen=True, tag=True):
    """A timer that the strategy started has run out."""

    name: str


class Measured(msgspec.Struct, frozen=True, tag=True):
    """How the version's conversations ended since `Deployment.since`, and metrics by name."""

    conversations: int
    failures: int
    metrics: Mapping[str, float]


class Asked(msgspec.Struct, frozen=True, tag=True):
    """Somebody asks for pause, resume, promote, abort or rollback."""

    verb: Literal["pause", "resume", "promote", "abort", "rollback"]


Observation: TypeAlias = (
    Validated | VersionStarted | VersionFailed | Promoted | TimerFired | Measured | Asked
)


class Strategy(Protocol):
    """A way to roll out versions."""

    @property
    def name(self) -> str:
        """Return the name by which a deployment asks for it."""

    def decide(
        self, deployment: Deployment[DeploymentState], observation: Observation, /
    ) -> tuple[RolloutEffect, ...]:
        """Answer an observation; nothing, when it changes nothing. Pure."""
