"""Modules changed at random: none of them breaks the sandbox, and each can be made again."""

from __future__ import annotations

import random

import pytest
from caxton_core.errors import InvalidModule
from caxton_plugins.sandboxes.components import ComponentSandbox
from caxton_plugins.sandboxes.wasm import WasmSandbox

from tests.hostile import grafts, smith, trials
from tests.hostile.children import Child, Died
from tests.hostile.mutants import mutant, seeds
from tests.hostile.mutations import Found, run
from tests.hostile.trials import COMPONENTS


@pytest.mark.once
@pytest.mark.timeout(600)
def test_a_thousand_mutants_break_nothing() -> None:
    """Each is refused, or ends as the port says; the process that tries them lives, and many of them do run."""
    tally = run(1_000, 20_251)
    assert tally.found == [], [found.again for found in tally.found]
    counts = tally.counts
    assert counts.total() == 1_000
    assert counts["lived"] > 100
    assert counts["trap"] > 50
    assert 0 < counts["refused"] < 700


@pytest.mark.once
@pytest.mark.timeout(300)
def test_a_hundred_components_break_nothing() -> None:
    """Components are refused or end as the port says, too, and most of them do run."""
    tally = run(100, 20_261, kind=COMPONENTS)
    assert tally.found == [], [found.again for found in tally.found]
    counts = tally.counts
    assert counts.total() == 100
    assert counts["lived"] > 10
    assert counts["trap"] > 10
    assert 0 < counts["refused"] < 60


def test_a_component_that_breaks_something_can_be_tried_again() -> None:
    """It is named with its kind, and the same number gives the same bytes."""
    assert Found(1, 2, "", COMPONENTS).again == (
        "python -m tests.hostile.mutations 1 1 --first 2 --components"
    )
    assert Found(1, 2, "").again == "python -m tests.hostile.mutations 1 1 --first 2"
    made = [grafts.mutant(1, number) for number in range(20)]
    assert made == [grafts.mutant(1, number) for number in range(20)]
    assert len(set(made)) > 15


def test_what_components_are_made_of_is_valid() -> None:
    """Each component that is changed is accepted as it is."""
    sandbox = ComponentSandbox()
    for data in grafts.seeds():
        sandbox.check(data, "component").unwrap()
    sandbox.close()


def test_a_mutant_is_known_by_its_number() -> None:
    """The same seed and number give the same bytes, others give others."""
    made = [mutant(1, number) for number in range(50)]
    assert made == [mutant(1, number) for number in range(50)]
    assert len({mutant(seed, 3) for seed in range(50)}) > 40


def test_generated_modules_are_valid() -> None:
    """What the smith makes is accepted as it is: a module that is refused at once would prove nothing."""
    sandbox = WasmSandbox()
    for number in range(20):
        sandbox.check(smith.generate(random.Random(number)), "strict").unwrap()
    for data in seeds():
        sandbox.check(data, "strict").unwrap()
    sandbox.close()


def test_a_child_that_dies_is_told_of() -> None:
    """Who listens to a child learns of its death, and what it said last."""
    child = Child("keyword")  # it has nothing to do
    with pytest.raises(Died, match="exit code 0"):
        child.hear(60)


def test_a_child_that_hangs_is_ended() -> None:
    """Who waits longer than a mutant may take ends the child."""
    child = Child("tests.hostile.trials")
    with pytest.raises(Died, match=r"silent for 0\.1 s: SIGKILL"):
        child.hear(0.1)


def test_the_death_of_a_compiler_counts() -> None:
    """A mutant that breaks the compiler is no refusal like others, although the node survives it."""
    died = InvalidModule("the compiler died of SIGSEGV")
    assert trials.refused(died).startswith("COMPILER")
    assert trials.refused(InvalidModule("it ends too early")) == "refused"
