"""`caxton agent new|build|test`: from nothing to an agent that is tested, and what stands in the way."""

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path

import pytest
from caxton_server.authoring import projects, zig
from caxton_server.authoring.languages import LANGUAGES
from caxton_server.cli import main

from tests.server.authoring.agents import caches, write

Said = pytest.CaptureFixture[str]

pytestmark = pytest.mark.usefixtures("installed")

PASSES = "steps:\n- send: {performative: request}\n- expect: {content: {n: 1}}\n"
FAILS = "name: too many\nsteps:\n- send: {performative: request}\n- expect: {content: {n: 2}}\n"


@pytest.fixture(autouse=True)
def _home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what is cached out of the home of whoever runs the tests."""
    for name, value in caches(tmp_path_factory.mktemp("cache")).items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """Write a project whose module is there."""
    return write(tmp_path / "counter", PASSES)


def test_a_new_agent_works(tmp_path: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `new` writes, `build` compiles, and its own scripts pass."""
    monkeypatch.chdir(tmp_path)
    assert main(["agent", "new", "hello", "--lang", "c"]) == 0
    assert (tmp_path / "hello" / ".gitignore").read_text() == "build/\nnode_modules/\n"
    assert not any("{{" in path.read_text() for path in tmp_path.rglob("*") if path.is_file())
    monkeypatch.chdir("hello")
    assert main(["agent", "build", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["check"]["profile"] == "strict"
    module = tmp_path / "hello" / "build" / "hello.wasm"
    assert shown["module"] == str(module)
    assert stat.S_IMODE(module.stat().st_mode) == 0o644
    assert main(["agent", "test"]) == 0
    assert capsys.readouterr().out.count("ok    tests/greeting.yaml:") == 2


def test_a_test_says_which_scripts_passed(built: Path, capsys: Said) -> None:
    """One line a script, and the step that failed with the difference; exit code 1."""
    assert main(["agent", "test", str(built), "--no-build"]) == 0
    assert capsys.readouterr().out == "ok    tests/some.yaml:1: line 1\n"
    (built / "tests" / "some.yaml").write_text(f"{PASSES}---\n{FAILS}")
    assert main(["agent", "test", str(built), "--no-build"]) == 1
    printed = capsys.readouterr()
    assert printed.out.splitlines()[:3] == [
        "ok    tests/some.yaml:1: line 1",
        "FAIL  tests/some.yaml:8: too many",
        "      expect",
    ]
    assert "content.n: expected 2, got 1" in printed.out
    assert printed.err == "1 passed, 1 failed.\n"


def test_a_test_tells_programs_the_same(built: Path, capsys: Said) -> None:
    """`--json` prints one document, and the exit code stays."""
    (built / "tests" / "some.yaml").write_text(FAILS)
    assert main(["agent", "test", str(built), "--no-build", "--json"]) == 1
    shown = json.loads(capsys.readouterr().out)
    assert (shown["passed"], shown["failed"]) == (0, 1)
    assert shown["scripts"][0]["failed"]["line"] == 4


def test_what_is_older_than_its_source_is_built_before_it_is_tested(
    built: Path, capsys: Said
) -> None:
    """A source without an agent in it fails to build, so the old module is not tested."""
    later = (built / "build" / "counter.wasm").stat().st_mtime + 10
    os.utime(built / "agent.c", (later, later))
    assert main(["agent", "test", str(built)]) == 1
    assert "build/counter.wasm is refused by profile strict" in capsys.readouterr().err


def test_a_script_that_can_not_be_played_is_a_usage_error(built: Path, capsys: Said) -> None:
    """It is said where it is wrong, before anything runs."""
    (built / "tests" / "other.yaml").write_text("steps:\n- sned: {}\n")
    assert main(["agent", "test", str(built), "--no-build"]) == 2
    assert "tests/other.yaml:2: a step has no 'sned'" in capsys.readouterr().err
    for path in (built / "tests").iterdir():
        path.unlink()
    assert main(["agent", "test", str(built), "--no-build"]) == 2
    assert "has no scripts" in capsys.readouterr().err


def test_what_the_compiler_says_is_shown_whole(tmp_path: Path, capsys: Said) -> None:
    """A source with two mistakes gets both told, and exit code 1."""
    projects.create("hello", LANGUAGES["c"], tmp_path / "hello").unwrap()
    source = tmp_path / "hello" / "agent.c"
    source.write_text(source.read_text() + "\nint a = b;\nint c = d;\n")
    assert main(["agent", "build", str(tmp_path / "hello")]) == 1
    said = capsys.readouterr().err
    assert "Error: The build of C failed." in said
    assert "'b'" in said
    assert "'d'" in said


def test_a_compiler_that_is_missing_is_named_with_what_installs_it(
    built: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error is a command to paste."""
    monkeypatch.setattr(zig, "MODULE", "ziglang_that_is_missing")
    assert main(["agent", "build", str(built)]) == 1
    assert "pip install 'caxton-server[c-agents]'" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["Hello", "../hello", "42", "ams", "a b", "", "x" * 64])
def test_a_bad_name_is_refused_with_the_rule(
    name: str, tmp_path: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is written under a name that no agent may have."""
    monkeypatch.chdir(tmp_path)
    assert main(["agent", "new", name, "--lang", "c"]) == 2
    assert "is no agent name" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path: Path, capsys: Said) -> None:
    """A folder with something in it, or a file, is left as it is; an empty folder is used."""
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "mine").touch()
    (tmp_path / "file").touch()
    for where in (taken, tmp_path / "file"):
        assert main(["agent", "new", "hello", "--lang", "c", "--dir", str(where)]) == 1
        assert "exists and is not empty" in capsys.readouterr().err
    (taken / "mine").unlink()
    assert main(["agent", "new", "hello", "--lang", "c", "--dir", str(taken), "--json"]) == 0
    assert str(taken / "agent.c") in json.loads(capsys.readouterr().out)["files"]


def test_an_unknown_language_is_refused_with_those_there_are(capsys: Said) -> None:
    """The error lists the table."""
    assert main(["agent", "new", "hello", "--lang", "cobol"]) == 2
    assert "'cobol' is none of c, zig, assemblyscript" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("files", "detail"),
    [
        ({}, "agent.yaml can't be read: No such file"),
        ({"agent.yaml": "name: x"}, "it has no source, which is one of agent.c"),
        ({"agent.yaml": "name: x\nmodule: b.wasm", "agent.c": "", "agent.ts": ""}, "agent.c and agent.ts"),
        ({"agent.yaml": "a: [", "agent.c": ""}, "agent.yaml is no YAML"),
        ({"agent.yaml": "nane: x", "agent.c": ""}, "did you mean 'name'?"),
        ({"agent.yaml": "name: x", "agent.c": ""}, "must be the path of a .wasm file inside"),
        ({"agent.yaml": "name: x\nmodule: agent.c", "agent.c": ""}, "must be the path of a .wasm file inside"),
        ({"agent.yaml": "name: x\nmodule: ../x.wasm", "agent.c": ""}, "must be the path of a .wasm file inside"),
        ({"agent.yaml": "name: x\nmodule: sha256:" + "0" * 64, "agent.c": ""}, "must be the path of a .wasm file inside"),
    ],
)  # fmt: skip
def test_a_folder_that_is_no_project_is_a_usage_error(
    files: dict[str, str], detail: str, tmp_path: Path, capsys: Said
) -> None:
    """What is missing or wrong is said, with exit code 2."""
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert main(["agent", "build", str(tmp_path)]) == 2
    assert detail in capsys.readouterr().err


def test_nothing_is_said_of_progress_where_nobody_watches(built: Path, capsys: Said) -> None:
    """Without a terminal stderr has the result alone."""
    assert not sys.stderr.isatty()
    (built / "agent.c").write_text(
        '#include "messages.h"\nEXPORT("handle_message") i32 h(u8 *m, u32 n) { return (i32)n - (i32)n; }\n'
    )
    assert main(["agent", "build", str(built)]) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("build/counter.wasm: ")
    assert said.err.count("\n") == 1


def test_a_place_that_can_not_be_written_to_is_said(built: Path, capsys: Said) -> None:
    """A file where the folder of the build should be ends in a sentence."""
    (built / "build" / "counter.wasm").unlink()
    (built / "build").rmdir()
    (built / "build").touch()
    assert main(["agent", "build", str(built)]) == 1
    assert "build: File exists" in capsys.readouterr().err


def test_a_project_may_lie_anywhere(tmp_path: Path, capsys: Said) -> None:
    """Spaces, quotes and letters of other alphabets in a path do no harm."""
    where = tmp_path / "-a 'fine' \"place\" für $HOME"
    assert main(["agent", "new", "a.b_c-1", "--lang", "c", "--dir", str(where)]) == 0
    assert main(["agent", "test", str(where)]) == 0
    assert capsys.readouterr().out.count("ok ") == 2


def test_scripts_may_end_in_yml(built: Path, capsys: Said) -> None:
    """No script is passed over because of its name."""
    (built / "tests" / "some.yaml").rename(built / "tests" / "some.yml")
    assert main(["agent", "test", str(built), "--no-build"]) == 0
    assert "ok    tests/some.yml" in capsys.readouterr().out
