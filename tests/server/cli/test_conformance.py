"""`caxton conformance`: what it prints, and its exit codes."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from caxton_server.cli import main

pytestmark = pytest.mark.usefixtures("installed")

CASE: dict[str, Any] = {
    "id": "one", "protocol": "fipa-request", "participants": ["p"], "note": "5.1",
    "script": [
        {"from_role": "initiator", "performative": "request"},
        {"from_role": "participant", "participant": "p", "performative": "inform"},
    ],
    "expect": {"accepted": [True, True], "final_state": "completed", "outcome": "success"},
}  # fmt: skip


def write(folder: Path, *cases: dict[str, Any]) -> str:
    """Write a file of cases and return its name."""
    path = folder / "cases.json"
    path.write_text(json.dumps(cases))
    return str(path)


def test_what_agrees_is_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing but the closing line is printed, and the exit code is 0."""
    assert main(["conformance", write(tmp_path, CASE)]) == 0
    assert capsys.readouterr().out == "1 cases, 0 failed\n"


def test_what_differs_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong case is shown with step, expectation, verdict and reason, and the exit code is 1."""
    script = [*CASE["script"], {"from_role": "participant", "performative": "agree"}]
    expect = {"accepted": [True, True, True], "final_state": "failed", "outcome": "success"}
    wrong = {**CASE, "id": "two", "script": script, "expect": expect}
    assert main(["conformance", write(tmp_path, CASE, wrong)]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "two: step 3 (participant agree): expected accepted, got rejected (terminated)",
        "two: state: expected failed, got completed",
        "2 cases, 1 failed",
    ]
    assert main(["conformance", "--json", write(tmp_path, CASE, wrong)]) == 1
    printed = json.loads(capsys.readouterr().out)
    assert printed["failed"] == 1
    assert [case["ok"] for case in printed["cases"]] == [True, False]
    assert printed["cases"][1]["reasons"] == [None, None, "terminated"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"protocol": 7}, "case one: Expected `str`, got `int`"),
        ({"colour": "red"}, "case one: Object contains unknown field `colour`"),
        ({"participants": []}, "participants are at least one name"),
        ({"participants": ["p", "p"]}, "participants are at least one name"),
        ({"expect": {**CASE["expect"], "accepted": [True]}}, "one boolean for each step"),
        ({"participants": [str(n) for n in range(1001)]}, "case one: more than 1000 names - at `participants`"),
        ({"script": CASE["script"][:1] * 20_001}, "case one: more than 20000 steps - at `script`"),
        ({"script": [{**CASE["script"][0], "colour": "red"}]}, "at `$[0].script[0]`"),
        ({"script": [{**CASE["script"][0], "participant": 7}]}, "at `$[0].script[0].participant`"),
        ({"expect": {}}, "case one: Object missing required field `accepted`"),
        ({"ttl_s": -1}, "times are seconds"),
        ({"end_delay_s": 1e300}, "times are seconds"),
        ({"script": [{"from_role": "ams", "performative": "failure"}] * 2}, "names one participant"),
    ],
)  # fmt: skip
def test_a_malformed_case_is_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: dict[str, Any], said: str
) -> None:
    """What can't be replayed is named."""
    assert main(["conformance", write(tmp_path, {**CASE, **change})]) == 2
    assert said in capsys.readouterr().err


def test_what_is_no_file_of_cases_is_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A missing file, no JSON, no list and too deep a nesting are told apart."""
    path = tmp_path / "odd.json"
    assert main(["conformance", str(path)]) == 2
    assert "No such file" in capsys.readouterr().err
    for text in ("[", "{}", "[" * 5000, '["\xff"]'):
        path.write_text(text, encoding="latin-1")
        assert main(["conformance", str(path)]) == 2
        assert "odd.json" in capsys.readouterr().err


def test_a_protocol_nobody_brings_is_a_difference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its case fails, and the others are replayed all the same."""
    assert main(["conformance", write(tmp_path, {**CASE, "protocol": "x-none"}, CASE)]) == 1
    assert "unknown-protocol" in capsys.readouterr().out


def test_cases_come_from_standard_input_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file named - is standard input."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(json.dumps([CASE]).encode())))
    assert main(["conformance", "-"]) == 0
    assert capsys.readouterr().out == "1 cases, 0 failed\n"


def test_a_file_without_end_is_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No more is read than a file of cases may have."""
    monkeypatch.setattr("caxton_server.cli.conformance.MOST_BYTES", 100)
    assert main(["conformance", write(tmp_path, CASE)]) == 2
    assert "more than 100 bytes" in capsys.readouterr().err


def test_half_a_millisecond_late_is_late(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Delays are summed before they are rounded, and rounded to microseconds."""
    opener, answer = CASE["script"]
    steps = [{**opener, "reply_by_s": 0.3}, {**answer, "delay_s": 0.1, "performative": "cfp"}]
    expect = {"accepted": [True, False, True], "final_state": "completed", "outcome": "success"}
    on_time = {**CASE, "script": [*steps, {**answer, "delay_s": 0.2}], "expect": expect}
    late = {**CASE, "script": [*steps, {**answer, "delay_s": 0.2005}], "expect": expect}
    assert main(["conformance", write(tmp_path, on_time, {**late, "id": "late"})]) == 1
    assert "late: step 3 (participant inform): expected accepted" in capsys.readouterr().out
