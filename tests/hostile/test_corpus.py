"""The corpus of hostile guests, each in a real node beside a neighbour."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator

import msgspec
import pytest

from tests.hostile.attacks import PATIENCE
from tests.hostile.cases import Case
from tests.hostile.children import Child, Died
from tests.hostile.corpus import CASES
from tests.hostile.nodes import Verdict

LONGEST = 4 * PATIENCE
EVERYWHERE = {"loop", "msgpack", "reentrancy", "response", "send", "stack"}
"""What Python decodes, and what runs on the stacks it is called on; the rest is the same on each Python."""


class Nodes:
    """The node that takes the cases, and a new one after each that it did not survive."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._child: Child | None = None

    def run(self, case: Case) -> Verdict:
        """Give a case to the node."""
        if self._child is None:
            self._child = Child("tests.hostile.nodes", self._folder)
            self._child.hear(LONGEST)
        child = self._child
        try:
            return msgspec.json.decode(child.ask(case.name.encode(), LONGEST), type=Verdict)
        except Died as died:
            self._child = None
            pytest.fail(f"the node did not survive {case.name}: {died}")

    def close(self) -> None:
        """End the last node in order."""
        if self._child is not None:
            self._child.close()


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    """Run the cases of this module in one node, as long as it lives."""
    with tempfile.TemporaryDirectory(prefix="caxton-hostile-") as folder:
        running = Nodes(folder)
        yield running
        running.close()


def _everywhere(case: Case) -> bool:
    return case.name.partition("/")[0] in EVERYWHERE and not case.slow


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=case.name, marks=[] if _everywhere(case) else [pytest.mark.once])
        for case in CASES
    ],
)
def test_nobody_breaks_the_node(nodes: Nodes, case: Case) -> None:
    """The case ends as its row says, within ten times its limit; the node and its neighbour are as they were."""
    verdict = nodes.run(case)
    assert verdict.problems == [], verdict.seen
    assert verdict.took <= 10 * (verdict.limit + 0.1), verdict.took


def test_every_case_has_a_name_of_its_own() -> None:
    """A name finds one case, and there are as many as were promised."""
    assert len({case.name for case in CASES}) == len(CASES) >= 80
