"""From a new key to a signed agent on a node that asks for signatures: the commands, and what REST takes."""

from __future__ import annotations

import base64
import json
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from caxton_server import secret_keys
from caxton_server.cli import main
from caxton_server.client import Client
from caxton_server.config import Config
from caxton_server.config_sections import (
    RuntimeConfig,
    ServerConfig,
    SignaturesConfig,
    StorageConfig,
)

from tests.server.rest.conftest import Hosted
from tests.server.rest.guests import silent

Caxton = Callable[..., Any]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder with a key and a module."""
    made = tmp_path_factory.mktemp("signed")
    (made / "agent.wasm").write_bytes(silent())
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(made)
        assert main(["module", "keygen", "release", "--no-password"]) == 0
    return made


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    """Run a node that requires signatures by the key."""
    signatures = SignaturesConfig(policy="require", trusted=(str(folder / "release.pub"),))
    host = Hosted(
        Config(
            server=ServerConfig(port=0, metrics_port=0),
            storage=StorageConfig(url="memory:", durability="memory"),
            runtime=RuntimeConfig(signatures=signatures),
        )
    )
    host.start().unwrap()
    yield host.server.url
    host.stop()


@pytest.fixture
def caxton(
    url: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Caxton:
    """Return a function that runs a command in the folder and returns what it printed, or said."""
    monkeypatch.setenv("CAXTON_URL", url)
    monkeypatch.setenv("XDG_CONFIG_HOME", "/nonexistent")
    monkeypatch.chdir(folder)

    def run(*line: str, code: int = 0) -> str:
        found = main(list(line))
        out, err = capsys.readouterr()
        assert found == code, err
        return out + err

    return run


def test_a_key_pair_is_made_once(caxton: Caxton, folder: Path) -> None:
    """The secret file is nobody else's; a second keygen of the name is a conflict."""
    assert stat.S_IMODE((folder / "release.key").stat().st_mode) == 0o600
    assert "never written over" in caxton("module", "keygen", "release", code=4)


def test_a_locked_key_asks_for_its_password(
    caxton: Caxton, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first line of a file is the password; a wrong one signs nothing."""
    monkeypatch.setattr(secret_keys, "OPERATIONS", 1 << 15)  # what is asked of scrypt takes time
    monkeypatch.setattr(secret_keys, "MEMORY", 1 << 20)
    (folder / "password").write_text("right\n")
    (folder / "wrong").write_text("left\n")
    (folder / "notes.txt").write_text("no module")
    made = caxton("module", "keygen", "locked", "--password-file", "password")
    public = (folder / "locked.pub").read_text().splitlines()[1]
    assert public in made
    sign = ("module", "sign", "notes.txt", "--key", "locked.key", "--password-file")
    assert "password is wrong" in caxton(*sign, "wrong", code=1)
    caxton(*sign, "password", "--comment", "release 1")
    shown = caxton("module", "verify", "notes.txt", "--key", public)
    assert "release 1" in shown


def test_an_agent_is_deployed_with_the_signature_beside_its_module(
    caxton: Caxton, folder: Path, url: str
) -> None:
    """Unsigned it is refused; once signed, deploying finds the file, and the node says whose it is."""
    deploy = ("agent", "deploy", "agent.wasm", "--name", "signed")
    assert "unsigned" in caxton(*deploy, code=1)
    assert "has no signature" in caxton(
        "module", "verify", "agent.wasm", "--key", "release.pub", code=1
    )
    caxton("module", "sign", "agent.wasm", "--key", "release.key")
    assert "file:agent.wasm" in caxton("module", "verify", "agent.wasm", "--key", "release.pub")
    caxton(*deploy)
    listed = json.loads(caxton("module", "list", "--json"))["items"]
    name = (folder / "release.pub").read_text().split()[5]
    assert [module["signed_by"] for module in listed] == [name]
    (folder / "other.wasm").write_bytes(silent() + b"\0\2\1x")
    borrowed = ("other.wasm", "--signature", "agent.wasm.minisig")
    assert "wrong-signature" in caxton("module", "push", *borrowed, code=1)
    verdict = caxton("module", "verify", *borrowed, "--key", "release.pub", "--json", code=1)
    assert json.loads(verdict.partition("Error")[0])["reason"] == "wrong-signature"


def test_every_form_of_upload_carries_a_signature(caxton: Caxton, folder: Path, url: str) -> None:
    """JSON and the header are as good as a part; what is no signature is refused as such."""
    caxton("module", "sign", "agent.wasm", "--key", "release.key")
    text = (folder / "agent.wasm.minisig").read_bytes()
    client = Client(url)

    def post(path: str, body: dict[str, Any] | bytes, **headers: str) -> Any:
        media = "application/wasm" if isinstance(body, bytes) else "application/json"
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        done = client.call("POST", f"/api/v1/{path}", dict[str, Any], body=sent, media=media, headers=headers)  # fmt: skip
        return done.value_or(None) or (done.failure().status, done.failure().code)  # type: ignore[union-attr]  # the server's own refusal

    document = {
        "manifest": {"name": "json"},
        "module_base64": base64.b64encode(silent()).decode(),
        "signature": text.decode(),
    }
    header = {"Caxton-Signature": base64.b64encode(text).decode()}
    assert post("agents", document)["agent"]["state"] == "running"
    assert post("modules", silent(), **header)["signed_by"]
    assert post("agents", {**document, "signature": "mine"}) == (422, "invalid_signature")
    assert post("modules", silent(), **{"Caxton-Signature": "?"}) == (422, "invalid_signature")
    client.close()
