"""Secret keys: minisign's files open here, ours are as careful as theirs."""

from __future__ import annotations

import base64
import stat
from pathlib import Path

import pytest
from caxton_core.signatures import PublicKey
from caxton_server import secret_keys
from caxton_server.secret_keys import SecretKey, costs, write_new
from caxton_server.signatures import public_key, verify
from returns.result import Success

FILES = Path(__file__).parent / "minisign"


def never() -> bytes:
    """Be asked for a password that nobody needs."""
    raise AssertionError("asked for a password")


def test_minisigns_open_key_signs_for_its_public_one() -> None:
    """The file of `minisign -W` is read without a question."""
    key = SecretKey.read((FILES / "plain.key").read_text(), never).unwrap()
    public = public_key(str(FILES / "plain.pub")).unwrap()
    assert key.public == public
    assert verify(public, b"data", key.sign(b"data", comment="ours")) is None


def test_minisigns_locked_key_opens_with_its_password_alone() -> None:
    """What scrypt gives for another password is recognized as no key."""
    text = (FILES / "enc.key").read_text()
    opened = SecretKey.read(text, lambda: b"pw").unwrap()
    assert opened.public == public_key(str(FILES / "enc.pub")).unwrap()
    assert "password is wrong" in str(SecretKey.read(text, lambda: b"PW").failure())


@pytest.mark.parametrize("password", [None, b"secret"])
def test_a_key_is_read_as_it_was_written(
    password: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Locked or open, the same key comes back, and its public file names it."""
    monkeypatch.setattr(secret_keys, "OPERATIONS", 1 << 15)
    monkeypatch.setattr(secret_keys, "MEMORY", 1 << 20)
    key = SecretKey.new()
    again = SecretKey.read(key.text(password), never if password is None else lambda: b"secret")
    assert again.unwrap().public == key.public
    assert PublicKey.parse(key.public_text()) == Success(key.public)


def test_a_secret_is_never_shown() -> None:
    """What is printed of a key is its id."""
    key = SecretKey.new()
    assert repr(key) == str(key) == f"SecretKey({key.public.id})"


def test_a_damaged_key_is_refused_with_its_reason() -> None:
    """Cut, foreign, altered, or greedy for memory: it is said, and no password is asked for."""
    data = base64.b64decode(SecretKey.new().text(None).splitlines()[1])

    def written(changed: bytes) -> str:
        return "untrusted comment: x\n" + base64.b64encode(changed).decode()

    greedy = data[:2] + b"Sc" + data[4:46] + (1 << 40).to_bytes(8, "little") + data[54:]
    for text, said in (
        ("", "no minisign secret key"),
        (written(data[:-1]), "no minisign secret key"),
        (written(data[:2] + b"Xx" + data[4:]), "a way we don't know"),
        (written(data[:54] + bytes([data[54] ^ 1]) + data[55:]), "damaged"),  # its id
        (written(data[:70] + bytes([data[70] ^ 1]) + data[71:]), "damaged"),
        (written(greedy), "too much memory"),
    ):
        assert said in str(SecretKey.read(text, never).failure())


def test_scrypt_costs_what_libsodium_would_make_it_cost() -> None:
    """The figures are those of its two presets, and of a limit on the operations."""
    assert costs(1 << 25, 1 << 30) == (1 << 20, 1)
    assert costs(1 << 19, 1 << 24) == (1 << 14, 1)
    assert costs(1 << 19, 1 << 30) == (1 << 14, 1)
    assert costs(1 << 22, 1 << 24) == (1 << 14, 8)


def test_key_files_are_new_and_private(tmp_path: Path) -> None:
    """Nobody else may read one, at no moment, and none is written over."""
    write_new(tmp_path / "a.key", "text", mode=0o600)
    assert stat.S_IMODE((tmp_path / "a.key").stat().st_mode) == 0o600
    with pytest.raises(FileExistsError):
        write_new(tmp_path / "a.key", "other", mode=0o600)
