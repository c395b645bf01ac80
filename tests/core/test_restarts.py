"""Supervision: at once, then later and later, then no more."""

from __future__ import annotations

import pytest
from caxton_core.resources import RestartPolicy
from caxton_core.restarts import (
    FIRST_DELAY,
    LONGEST_DELAY,
    GiveUp,
    History,
    Restart,
    delay_before,
    supervise,
)
from hypothesis import given
from hypothesis import strategies as st

EVER = RestartPolicy(max_restarts=1000, within_s=1_000_000)


def delays(
    policy: RestartPolicy, *, lives: int, times: int, orderly: bool = False
) -> list[int | str]:
    """Let each instance live so many milliseconds, and return what was decided at the end of each."""
    history, now = History(), 1_000_000
    decided: list[int | str] = []
    for _ in range(times):
        now += lives
        match supervise(policy, history=history, now=now, jitter=0.0, orderly=orderly):
            case Restart(after, history):
                decided.append(after)
                now += after
            case GiveUp(reason):
                decided.append(reason)
    return decided


def test_the_default_policy_restarts_five_times_a_minute() -> None:
    """The first restart is at once, the next ones wait twice as long each, the sixth is not made."""
    assert delays(RestartPolicy(), lives=0, times=6) == [
        0,
        200,
        400,
        800,
        1600,
        "too-many-restarts",
    ]


def test_the_delay_grows_to_half_a_minute() -> None:
    """A policy that allows many restarts never waits longer than 30 s."""
    assert delays(EVER, lives=1000, times=12)[7:] == [12_800, 25_600, 30_000, 30_000, 30_000]


@pytest.mark.parametrize(("lives", "expected"), [(60_000, [0] * 4), (59_999, [0, 200, 400, 800])])
def test_a_healthy_span_resets_the_delay(lives: int, expected: list[int]) -> None:
    """An instance that lives for the span is restarted at once when it dies; a moment less is not enough."""
    many = RestartPolicy(max_restarts=1000, within_s=60)
    assert delays(many, lives=lives, times=4) == expected


def test_a_pause_is_no_healthy_span() -> None:
    """What counts is how long an instance lived, not how long it was waited for."""
    short = RestartPolicy(max_restarts=1000, within_s=5)
    assert delays(short, lives=0, times=9)[-2:] == [12_800, 25_600]


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
@pytest.mark.parametrize("retried", [False, True])
def test_policies(policy: str, orderly: bool, restarts: bool, retried: bool) -> None:
    """Permanent always, transient after a fault, temporary never."""
    chosen = RestartPolicy(policy=policy)  # type: ignore[arg-type]  # the parameter is one of the three words
    decision = supervise(
        chosen, history=History(), now=0, jitter=0.5, orderly=orderly, retried=retried
    )
    assert isinstance(decision, Restart) is restarts
    assert restarts or decision == GiveUp("policy")


@pytest.mark.parametrize("retried", [False, True])
def test_no_restarts_allowed_means_none(retried: bool) -> None:
    """A policy of zero restarts gives up at the first fault."""
    none = RestartPolicy(max_restarts=0)
    decision = supervise(none, history=History(), now=0, jitter=0.0, retried=retried)
    assert decision == GiveUp("too-many-restarts")


def test_what_dies_of_a_message_that_is_tried_again_is_not_charged() -> None:
    """The message has its own pauses; the agent is restarted at once, however often it died lately."""
    full = History((0, 1, 2, 3, 4), 5)
    decision = supervise(RestartPolicy(), history=full, now=10, jitter=0.0, retried=True)
    assert decision == Restart(0, full)


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_the_curve(number: int, jitter: float) -> None:
    """0.2 s doubling to 30 s, never longer than documented and at most a fifth shorter."""
    full = 0 if number == 1 else min(FIRST_DELAY * 2 ** (number - 2), LONGEST_DELAY)
    assert delay_before(number) == full
    before = History((1000,), number - 1) if number > 1 else History()
    decision = supervise(EVER, history=before, now=1000, jitter=jitter)
    assert isinstance(decision, Restart)
    assert full * 0.8 <= decision.after <= full
    assert decision.history.streak == number


@given(
    st.integers(0, 6),
    st.integers(1, 90),
    st.lists(st.tuples(st.integers(0, 100_000), st.floats(0, 1)), max_size=40),
)
def test_no_span_sees_more_restarts_than_allowed(
    most: int, within: int, lives: list[tuple[int, float]]
) -> None:
    """Whenever instances die, at most so many new ones begin in any span; and nobody is given up before that."""
    policy = RestartPolicy(max_restarts=most, within_s=within)
    history, now = History(), 0
    begun: list[int] = []
    for lived, jitter in lives:
        now += lived
        match supervise(policy, history=history, now=now, jitter=jitter):
            case Restart(after, history):
                now += after
                begun.append(now)
                assert len([time for time in begun if now - time < within * 1000]) <= most
            case GiveUp():
                within_span = [time for time in begun if now - time < within * 1000]
                assert len(within_span) >= most
                return


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=5), st.integers(0, 10**6))
def test_a_clock_that_goes_back_holds_nothing_against_an_agent_for_longer(
    times: list[int], now: int
) -> None:
    """Restarts that lie ahead count as of now, and are forgotten a span later like any other."""
    policy = RestartPolicy(max_restarts=100, within_s=60)
    decision = supervise(policy, history=History(tuple(sorted(times)), 5), now=now, jitter=0.0)
    assert isinstance(decision, Restart)
    assert max(decision.history.times) <= now + decision.after
    later = supervise(
        policy, history=decision.history, now=now + decision.after + 60_000, jitter=0.0
    )
    assert isinstance(later, Restart)
    assert (later.after, later.history.streak) == (0, 1)
