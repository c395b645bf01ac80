"""Supervision: at once, then later and later, then no more."""

from __future__ import annotations

import pytest
from caxton_core.resources import RestartPolicy
from caxton_core.restarts import GiveUp, History, Restart, supervise
from hypothesis import given
from hypothesis import strategies as st


def delays(policy: RestartPolicy, *, every: float, times: int) -> list[float | str]:
    """Let an agent die again and again, `every` so many seconds, and return what was decided."""
    history: History = ()
    decided: list[float | str] = []
    for number in range(times):
        match supervise(policy, history=history, now=number * every, jitter=0.0):
            case Restart(after, history):
                decided.append(after)
            case GiveUp(reason):
                decided.append(reason)
    return decided


def test_the_default_policy_restarts_five_times_a_minute() -> None:
    """The first restart is at once, the next ones wait twice as long each, the sixth is not made."""
    assert delays(RestartPolicy(), every=1, times=6) == [0, 0.2, 0.4, 0.8, 1.6, "too-many-restarts"]


def test_the_delay_grows_to_half_a_minute() -> None:
    """A policy that allows many restarts never waits longer than 30 s."""
    many = RestartPolicy(max_restarts=1000, within_s=10_000)
    assert delays(many, every=1, times=12)[7:] == [12.8, 25.6, 30, 30, 30]


def test_a_quiet_span_resets_the_delay() -> None:
    """Who dies less often than once in the span is restarted at once each time."""
    assert delays(RestartPolicy(), every=60, times=4) == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("policy", "orderly", "restarts"),
    [
        ("permanent", True, True),
        ("permanent", False, True),
        ("transient", True, False),
        ("transient", False, True),
        ("temporary", True, False),
        ("temporary", False, False),
    ],
)
def test_policies(policy: str, orderly: bool, restarts: bool) -> None:
    """Permanent always, transient after a fault, temporary never."""
    chosen = RestartPolicy(policy=policy)  # type: ignore[arg-type]  # the parameter is one of the three words
    decision = supervise(chosen, history=(), now=0.0, jitter=0.5, orderly=orderly)
    assert isinstance(decision, Restart) is restarts
    assert restarts or decision == GiveUp("policy")


def test_no_restarts_allowed_means_none() -> None:
    """A policy of zero restarts gives up at the first fault."""
    none = RestartPolicy(max_restarts=0)
    assert supervise(none, history=(), now=0.0, jitter=0.0) == GiveUp("too-many-restarts")


@given(st.lists(st.floats(0, 100), max_size=6).map(sorted), st.floats(0, 1))
def test_jitter_only_shortens(times: list[float], jitter: float) -> None:
    """At random, a delay is between half of the full one and the full one."""
    policy = RestartPolicy(max_restarts=100)
    full = supervise(policy, history=tuple(times), now=100.0, jitter=0.0)
    some = supervise(policy, history=tuple(times), now=100.0, jitter=jitter)
    assert isinstance(full, Restart)
    assert isinstance(some, Restart)
    assert full.after / 2 <= some.after <= full.after
    assert some.history == full.history
