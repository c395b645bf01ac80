"""`caxton simulate`: seeds, counts, failures, exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from caxton_server.cli import main


def test_it_says_what_it_has_lived_through(capsys: pytest.CaptureFixture[str]) -> None:
    """It prints counts and a digest, the same ones each time, and exits with 0."""
    seen = []
    for _ in range(2):
        assert main(["simulate", "--seeds", "1..3", "--steps", "6", "--json"]) == 0
        shown = json.loads(capsys.readouterr().out)
        assert shown.pop("took_s") >= 0
        seen.append(shown)
    assert seen[0] == seen[1]
    assert (seen[0]["seeds"], seen[0]["failed"]) == (3, [])
    assert seen[0]["counts"]["messages"]
    assert seen[0]["simulated_s"] > 3 * 86_400
    assert main(["simulate", "--seeds", "2", "--steps", "6"]) == 0
    out = capsys.readouterr().out
    assert "1 seeds, 0 failed" in out
    assert "messages" in out


def test_a_broken_invariant_is_told_with_its_seed(capsys: pytest.CaptureFixture[str]) -> None:
    """It prints the seed, the invariant and the last events, stops there, and exits with 1."""
    assert main(["simulate", "--break", "drop-record", "--json"]) == 1
    (failed,) = json.loads(capsys.readouterr().out)["failed"]
    assert failed["trace"]
    seed = str(failed["seed"])
    assert main(["simulate", "--break", "drop-record", "--seeds", seed]) == 1
    out = capsys.readouterr().out
    assert f"seed {seed}: {failed['invariant']}: {failed['detail']}" in out
    assert failed["trace"][-1] in out


@pytest.mark.parametrize("seeds", ["", "x", "1..", "..3", "3..1", "1..2..3", "-1"])
def test_what_are_no_seeds_is_a_usage_error(seeds: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2 and a sentence."""
    assert main(["simulate", f"--seeds={seeds}"]) == 2
    assert "--seeds" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "text"),
    [
        (["--storage", "sqlite:///one.db"], "{seed}"),
        (["--storage", "tape:/{seed}"], "no plugin stores tape: URLs"),
        (["--storage", "sqlite:////tmp/{seed}", "--break", "drop-row"], "simulated storage"),
    ],
)
def test_a_storage_that_cannot_be_used_is_a_usage_error(
    more: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2 and the reason."""
    assert main(["simulate", *more]) == 2
    assert text in capsys.readouterr().err


def test_a_real_storage_is_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each seed has the database that the URL names for it."""
    url = f"sqlite:///{tmp_path}/world-{{seed}}.db"
    assert main(["simulate", "--seeds", "4..5", "--steps", "6", "--storage", url]) == 0
    assert sorted(path.name for path in tmp_path.glob("*.db")) == ["world-4.db", "world-5.db"]
    assert "2 seeds, 0 failed" in capsys.readouterr().out
