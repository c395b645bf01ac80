"""`caxton bench`: its options and its results."""

from __future__ import annotations

import json
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

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


def test_agents_are_weighed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Many agents of the benchmark's module or of one's own: what each takes, and how long one takes to start."""
    own = tmp_path / "own.wasm"
    own.write_bytes((files("caxton_server.bench") / "guests" / "idle.wasm").read_bytes())
    for arguments, count in (
        (["--core", "30", "--python", "0"], 30),
        (["--module", str(own), "--count", "20"], 20),
    ):
        assert main(["bench", "agents", *arguments, "--json"]) == 0
        (result,) = json.loads(capsys.readouterr().out)["results"]
        assert (result["workload"], result["metric"], result["agents"]) == (
            "agents",
            "kib_per_agent",
            count,
        )
        assert result["start_ms_p99"] >= result["start_ms_p50"] > 0
        assert result["mappings"] > 100


def test_agents_that_can_not_be_deployed_fail_the_measurement(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A module that a node refuses is an error that says why."""
    (tmp_path / "no.wasm").write_bytes(b"no module")
    assert main(["bench", "agents", "--module", str(tmp_path / "no.wasm")]) == 1
    assert "was not deployed" in capsys.readouterr().err


def test_posts_are_measured_at_a_rate(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Clients of their own post to a listening node, here on a storage that was named, and their latencies are told."""
    storage = f"sqlite:///{tmp_path}/data/caxton.db"
    asked = ["bench", "posts", "--seconds", "0.5", "--rate", "50", "--storage", storage, "--json"]
    assert main(asked) == 0
    (result,) = json.loads(capsys.readouterr().out)["results"]
    names = {"workload", "durability", "metric", "value", "p50_ms", "max_ms", "requests_per_s"}
    assert set(result) == names
    assert (result["workload"], result["durability"], result["metric"]) == (
        "posts",
        "disk",
        "p99_ms",
    )
    assert 0 < result["p50_ms"] <= result["value"] <= result["max_ms"]
    assert (tmp_path / "data" / "caxton.db").exists()
