"""`caxton acl`, and `--acl` of `send` and `request`."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from caxton_server.cli import main


class _Stdin:
    """Standard input that holds these bytes."""

    def __init__(self, data: bytes) -> None:
        self.buffer = io.BytesIO(data)


TEXT = b'(request :sender (agent-identifier :name api@caxton) :receiver (set (agent-identifier :name ann)) :content "hi")'
DOCUMENT = {
    "performative": "request",
    "sender": "api@caxton",
    "receiver": "ann",
    "content": "hi",
}


def test_a_text_is_printed_as_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a file, from - and from standard input."""
    path = tmp_path / "message.acl"
    path.write_bytes(TEXT)
    for line in (["acl", "parse", str(path)], ["acl", "parse", "-"], ["acl", "parse"]):
        monkeypatch.setattr("sys.stdin", _Stdin(TEXT))
        assert main(line) == 0
        assert json.loads(capsys.readouterr().out) == DOCUMENT


def test_a_bad_text_is_2_and_says_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Line, column, byte and reason are on stderr, and nothing on stdout."""
    path = tmp_path / "message.acl"
    path.write_bytes(b"(inform\n  :protocol 7up)")
    assert main(["acl", "parse", str(path)]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "line 2, column 13 (byte 20)" in shown.err
    assert "a word is due as protocol" in shown.err


def test_a_document_is_printed_as_text(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """What was parsed is printed back, bytes and all; what is no message is 2."""
    path = tmp_path / "message.json"
    path.write_text(json.dumps({**DOCUMENT, "content": "é\\"}), "utf-8")
    assert main(["acl", "print", str(path)]) == 0
    assert b':content #3"\xc3\xa9\\)' in capfdbinary.readouterr().out
    path.write_text("{")
    assert main(["acl", "print", str(path)]) == 2
    path.write_text('{"performative": "inform", "protocol": "two words"}')
    assert main(["acl", "print", str(path)]) == 2
    assert b"is no word" in capfdbinary.readouterr().err
    assert main(["acl", "print", str(tmp_path / "none.json")]) == 2
