"""What an installation must bring, from the wheel as from the sources."""

from __future__ import annotations

import importlib
import importlib.metadata
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest
from caxton_core import __version__, registry
from caxton_server.authoring import projects
from caxton_server.authoring.languages import LANGUAGES
from returns.result import Success

DISTRIBUTION = "caxton-server"
PACKAGES = ("caxton_core", "caxton_plugins", "caxton_server", "caxton_sdk")


def test_the_distribution_has_the_version_of_the_code() -> None:
    """What pip calls the version is what the program calls it."""
    assert importlib.metadata.version(DISTRIBUTION) == __version__


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_say_that_they_are_typed(package: str) -> None:
    """Each package carries its marker, so that a type checker reads its types."""
    assert (files(package) / "py.typed").is_file()


def test_every_plugin_is_reached_through_its_entry_point() -> None:
    """Each module of plugins is named by one entry point, and each entry point leads to one."""
    points = importlib.metadata.entry_points(group="caxton")
    own = {point.name: point for point in points if point.dist and point.dist.name == DISTRIBUTION}
    assert {point.value.rpartition(".")[2] for point in own.values()} == set(own)
    for point in own.values():
        assert point.load().caxton_api == 1


def test_the_plugins_load_together() -> None:
    """The registry accepts everything that is installed, and a node has what it needs by default."""
    loaded = registry.load()
    assert isinstance(loaded, Success)
    found = loaded.unwrap()
    assert {"memory", "sqlite"} <= {kind.name for kind in found.storages()}
    assert {"wasm", "inprocess"} <= {kind.name for kind in found.sandboxes()}
    assert {"fipa-request", "fipa-contract-net"} <= {each.name for each in found.protocols()}
    assert {"direct"} <= {strategy.name for strategy in found.strategies()}


def test_the_demo_has_its_data() -> None:
    """The instances and the agents of the demo are in the package, not beside it."""
    held = {path.name for path in (files("caxton_server") / "demo").iterdir()}
    assert {"ft06.txt", "ft10.txt", "la01.txt"} <= held
    assert any(name.endswith(".wasm") for name in held)


def test_every_language_has_its_sdk_and_its_template(tmp_path: Path) -> None:
    """What a new project is written from is in the package, for each language there is."""
    for name, language in LANGUAGES.items():
        written = projects.create("hello", language, tmp_path / name).unwrap()
        assert tmp_path / name / language.source in written
        assert projects.find(tmp_path / name).unwrap().scripts
    assert (files("caxton_sdk") / "c" / "caxton.h").is_file()


def test_the_command_is_installed() -> None:
    """`caxton` stands beside the interpreter and says its version."""
    command = Path(sys.executable).parent / "caxton"
    told = subprocess.run([command, "--version"], capture_output=True, text=True, check=False)
    assert (told.returncode, told.stdout) == (0, f"caxton {__version__}\n")
