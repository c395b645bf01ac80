"""`caxton demo`: its result, and what it says about files that are no instance."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from caxton_server.cli import main
from caxton_server.demo.shops import bundled
from caxton_server.jobshop import Placement, check_schedule, parse_instance

COMMAND = [sys.executable, "-c", "from caxton_server.cli import main; raise SystemExit(main())"]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the demo as a user does, in a process of its own."""
    command = [*COMMAND, "demo", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)


def check(outcome: dict[str, Any], text: str) -> None:
    """Check what `--json` printed against the instance it is about."""
    instance = parse_instance(text, name=outcome["instance"]).unwrap()
    schedule = [Placement(**placement) for placement in outcome["schedule"]]
    assert check_schedule(instance, schedule).unwrap() == outcome["makespan"]
    assert outcome["optimum"] == instance.optimum
    assert outcome["conversations"] == instance.operations
    # One call to all, an answer from each machine, an award and a result.
    assert outcome["messages"] == instance.operations * (instance.machines + 3)


@pytest.mark.parametrize("name", ["ft06", "ft10", "la01"])
def test_demo_schedules_the_benchmarks(name: str) -> None:
    """The JSON result is a feasible schedule within 1.35 times the optimum, and nothing else is on stdout."""
    done = run("--instance", name, "--json")
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout)
    assert list(outcome) == [
        *("instance", "optimum", "makespan", "schedule"),
        *("conversations", "messages", "seconds", "url"),
    ]
    check(outcome, bundled()[name])
    assert outcome["instance"] == name
    assert outcome["makespan"] <= 1.35 * outcome["optimum"]


def test_demo_takes_any_instance_and_shows_a_chart(tmp_path: Path) -> None:
    """An instance of one's own, without a known optimum, ends with a chart and exit code 0."""
    file = tmp_path / "own.txt"
    file.write_text("2 3\n0 3 1 2 2 2\n2 4 1 1 0 5\n")
    done = run("--instance", str(file))
    assert done.returncode == 0, done.stderr
    assert "machine 2 " in done.stdout
    assert "unknown" in done.stdout


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"1 2\n0 1\n", "line 2: expected 2 pairs of machine and duration, found 2 numbers"),
        (b"1 1\n0 1\n\xff", "line 3: the file is no UTF-8 text"),
    ],
)
def test_broken_instance_is_refused(
    data: bytes, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A broken file ends with exit code 2 and a sentence that names the file and its line."""
    file = tmp_path / "broken.txt"
    file.write_bytes(data)
    assert main(["demo", "--instance", str(file)]) == 2
    assert capsys.readouterr().err == f"Error: {file}: {message}\n"


def test_missing_instance_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is not there is a usage error."""
    assert main(["demo", "--instance", "no-such-file.txt"]) == 2
    assert capsys.readouterr().err == "Error: no-such-file.txt: No such file or directory\n"


def test_demo_stays_until_it_is_told_to_stop(tmp_path: Path) -> None:
    """With `--keep` the node answers after the result, and SIGINT ends it with exit code 0."""
    command = [*COMMAND, "demo", "--instance", "ft06", "--json", "--keep", "--data", str(tmp_path)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            url = address(process)
            with urllib.request.urlopen(f"{url}/api/v1/conversations?limit=1000") as answer:
                assert len(json.load(answer)["items"]) == 36
            process.send_signal(signal.SIGINT)
            output, errors = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 0, errors
    check(json.loads(output), bundled()["ft06"])


def address(process: subprocess.Popen[str]) -> str:
    """Read the address from what a demo with `--keep` says last."""
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("The node stays at "):
            return line.split()[4]
    raise AssertionError("the demo ended")


def test_data_of_another_problem_is_refused(tmp_path: Path) -> None:
    """A folder with one problem's agents is not taken for another's; the same problem is simply there already."""
    folder = ("--data", str(tmp_path))
    first = json.loads(run("--instance", "ft06", "--json", *folder).stdout)
    again = json.loads(run("--instance", "ft06", "--json", *folder).stdout)
    assert again["schedule"] == first["schedule"]
    other = run("--instance", "la01", "--json", *folder)
    assert (other.returncode, other.stdout) == (1, "")
    assert "another problem's agents" in other.stderr


def test_sigterm_ends_the_demo_in_order(tmp_path: Path) -> None:
    """SIGTERM in the middle leaves no temporary folder behind."""
    command = [*COMMAND, "demo", "--instance", "ft06", "--keep"]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(
        command,
        stdout=quiet,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"TMPDIR": str(tmp_path)},
    ) as process:
        try:
            assert process.stderr is not None
            assert process.stderr.readline().startswith("A node runs at ")
            assert list(tmp_path.glob("caxton-demo-*"))
            process.terminate()
            process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 128 + signal.SIGTERM
    assert list(tmp_path.glob("caxton-demo-*")) == []


def test_killed_demo_goes_on_where_it_was(tmp_path: Path) -> None:
    """After kill -9 in the middle, the same command on the same data ends with the same schedule."""
    command = [*COMMAND, "demo", "--instance", "ft10", "--json", "--data", str(tmp_path)]
    undisturbed = json.loads(run("--instance", "ft10", "--json").stdout)
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, stdout=quiet, stderr=quiet) as process:
        try:
            kill_in_the_middle(process, tmp_path / "caxton.db")
        finally:
            process.kill()
    done = run(*command[len(COMMAND) + 1 :])
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout)
    check(outcome, bundled()["ft10"])
    assert sorted(map(str, outcome["schedule"])) == sorted(map(str, undisturbed["schedule"]))


def kill_in_the_middle(process: subprocess.Popen[bytes], database: Path) -> None:
    """Kill a demo when some of its conversations are in the database, but not all."""
    until = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < until:
        try:
            with contextlib.closing(
                sqlite3.connect(f"file:{database}?mode=ro", uri=True)
            ) as connection:
                [count] = connection.execute("SELECT count(*) FROM conversations").fetchone()
        except sqlite3.OperationalError:
            count = 0
        if count >= 20:
            process.send_signal(signal.SIGKILL)
            return
        time.sleep(0.005)
    raise AssertionError("the demo ended before it could be killed")
