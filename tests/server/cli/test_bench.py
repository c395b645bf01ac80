"""`caxton bench`: its options and its results."""

from __future__ import annotations

import json
from importlib.util import find_spec

import pytest
from caxton_server.cli import main
from caxton_server.cli.bench import WORKLOADS

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--workload", "W9"], "'W9': choose from W1, W2, W3, W4, W5, deploy, neighbour"),
        (["--workload", ","], "',': choose from W1, W2, W3, W4, W5, deploy, neighbour"),
        (["--durability", "disk,tape"], "'disk,tape': choose from memory, disk"),
        (["--seconds", "0"], "0.0 is not in the range 0.1<=x<=600"),
    ],
)
def test_unknown_choices_are_refused(
    arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A workload or durability that does not exist is a usage error that names those that do."""
    assert main(["bench", *arguments]) == 2
    assert expected in capsys.readouterr().err


METRICS = {
    "W1": [{"metric", "value", "floor", "loop_cpu_us", "p50_us", "p99_us"}],
    "W2": [{"metric", "value", "floor", "loop_cpu_us"}],
    "W3": [{"metric", "value", "floor", "loop_cpu_us"}],
    "W4": [{"metric", "value", "floor", "loop_cpu_us"}],
    "W5": [{"metric", "value", "floor", "create_us", "after_a_message_kib"}],
    "deploy": [{"metric", "value", "p50", "p99"}, {"metric", "value", "p50", "p99"}],
    "neighbour": [{"metric", "value", "beside_us", "p50_us", "beside_p50_us"}],
}


@pytest.mark.parametrize(
    ("workload", "durability"), [*((workload, "memory") for workload in WORKLOADS), ("W3", "disk")]
)
def test_every_workload_has_figures(
    workload: str, durability: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each workload gives its metrics, all above zero; how large they are is for people to judge."""
    arguments = ["--seconds", "0.3", "--workload", workload, "--durability", durability, "--json"]
    assert main(["bench", *arguments]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["machine"]["cores"] >= 1
    assert report["machine"]["native"] is (find_spec("caxton_native") is not None)
    expected = [names | {"workload", "durability"} for names in METRICS[workload]]
    assert [set(result) for result in report["results"]] == expected
    for result in report["results"]:
        figures = {key: value for key, value in result.items() if isinstance(value, float)}
        assert all(figure > 0 for figure in figures.values()), result
