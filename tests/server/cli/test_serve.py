"""`caxton serve`: starting, stopping, and every way not to start."""

from __future__ import annotations

import signal
import socket
from pathlib import Path

import pytest

from tests.server.cli.servers import Served, run

pytestmark = pytest.mark.usefixtures("installed")


@pytest.mark.parametrize(("how", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_node_ends_in_good_order(tmp_path: Path, how: signal.Signals, code: int) -> None:
    """SIGTERM is how a node is meant to end; Ctrl-C does the same and says that it was interrupted."""
    node = Served(tmp_path)
    url = node.wait_for_url()
    assert run("health", "--url", url).returncode == 0
    assert node.stop(how) == code
    assert run("health", "--url", url).returncode == 6


def test_a_busy_port_is_named(tmp_path: Path) -> None:
    """Exit code 2, and nothing was created."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("serve", "--port", str(port), "--data", str(tmp_path / "data"))
    assert done.returncode == 2
    assert f"127.0.0.1:{port}" in done.stderr
    assert "server.port" in done.stderr


def test_an_unusable_data_folder_is_named(tmp_path: Path) -> None:
    """A file where the folder should be: a sentence, no traceback."""
    path = tmp_path / "file"
    path.write_text("")
    done = run("serve", "--port", "0", "--data", str(path))
    assert done.returncode == 2
    assert str(path) in done.stderr
    assert "Traceback" not in done.stderr


def test_two_nodes_do_not_share_a_folder(tmp_path: Path) -> None:
    """The second is told who has it; kill -9 frees it."""
    node = Served(tmp_path)
    node.wait_for_url()
    done = run("serve", "--port", "0", "--data", str(tmp_path / "data"))
    assert done.returncode == 2
    assert "locked" in done.stderr
    assert node.stop(signal.SIGKILL) == -signal.SIGKILL
    again = Served(tmp_path)
    again.wait_for_url()
    assert again.stop() == 0


def test_a_blocked_storage_leaves_the_node_without_one(tmp_path: Path) -> None:
    """The setting that can't be honoured is named with its place."""
    done = run("serve", "--port", "0", "--data", str(tmp_path), CAXTON_PLUGINS__BLOCK="sqlite")
    assert done.returncode == 2
    assert "storage.url" in done.stderr
