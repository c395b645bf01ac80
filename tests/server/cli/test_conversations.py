"""`caxton conversation start` against a real node: terms, follow, interruption."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from caxton_server.cli.conversations import start
from caxton_server.client import Client
from click.testing import CliRunner

from tests.server.cli.servers import COMMAND
from tests.server.cli.test_online import Caxton, caxton, folder, url

__all__ = ["caxton", "folder", "url"]

pytestmark = pytest.mark.usefixtures("installed")


def deployed(caxton: Caxton, folder: Path, name: str) -> str:
    """Deploy an agent that answers with an inform."""
    caxton("agent", "deploy", str(folder / "good.yaml"), "--name", name)
    return name


def test_every_message_is_printed_until_the_end(caxton: Caxton, folder: Path) -> None:
    """One line each, for people and for programs; how it ended goes to stderr."""
    line = ["conversation", "start", "--protocol", "fipa-request", deployed(caxton, folder, "f1")]
    said = caxton(*line, "--content", "hi", "--follow", as_json=False).splitlines()
    assert said == [
        "api@caxton  request  hi",
        "f1@caxton  inform  hi ? there",
        "completed: success",
    ]
    lines = caxton(*line, "--content", "hi", "--follow", "--json", as_json=False).splitlines()
    messages = [json.loads(text) for text in lines[:-1]]
    assert [message["performative"] for message in messages] == ["request", "inform"]
    assert messages[1]["content"] == "hi \x1b there"


def test_an_interrupt_cancels(caxton: Caxton, folder: Path, url: str) -> None:
    """Ctrl-C while following asks the participants to stop; exit code 130."""
    name = deployed(caxton, folder, "f2")
    caxton("agent", "suspend", name)
    line = ["conversation", "start", "--protocol", "fipa-request", name, "--follow", "--json"]
    following = subprocess.Popen(
        [*COMMAND, *line], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "CAXTON_URL": url},
    )  # fmt: skip
    assert following.stdout is not None
    opener = json.loads(following.stdout.readline())
    following.send_signal(signal.SIGINT)
    _, err = following.communicate(timeout=30)
    assert following.returncode == 130, err
    assert opener["conversation_id"] in err
    client = Client(url)
    assert client.conversation(opener["conversation_id"]).unwrap().state == "cancelling"
    client.close()


@pytest.mark.parametrize(
    ("line", "spec"),
    [
        (
            ["--protocol", "fipa-contract-net", "a", "b", "--select", "max:$.x", "--winners", "2"],
            {"protocol": "fipa-contract-net", "participants": ["a", "b"], "select": {"max": "$.x"}, "winners": 2},
        ),
        (
            ["fipa-auction-english", "a", "--start-price", "10", "--step", "0.5", "--reserve", "30", "--rounds", "9"],
            {"protocol": "fipa-auction-english", "participants": ["a"], "rounds": 9,
             "auction": {"start": 10, "step": 0.5, "reserve": 30}},
        ),
        (
            ["caxton-negotiation", "a", "--content", '{"price": 1}', "--accept", "min:$.price:-5", "--step", "2"],
            {"protocol": "caxton-negotiation", "participants": ["a"], "content": {"price": 1},
             "accept": {"min": "$.price", "limit": -5, "step": 2}},
        ),
        (
            ["fipa-query", "17", "--performative", "query-if", "--reply-by", "+1s", "--ttl", "1m", "--wait", "2s"],
            {"protocol": "fipa-query", "participants": ["17"], "performative": "query-if", "reply_by": "+1s",
             "ttl": "1m", "wait": "2000ms"},
        ),
    ],
)  # fmt: skip
def test_options_become_a_specification(
    line: list[str], spec: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each option fills its field, whole numbers stay whole, and nothing else is sent."""
    sent: list[Any] = []

    def keep(
        _self: Client, given: Any, *, timeout: float | None = None, key: str | None = None
    ) -> Any:
        sent.append(given)
        raise SystemExit(timeout is not None or key is not None)

    monkeypatch.setattr(Client, "start_conversation", keep)
    CliRunner().invoke(start, line)
    assert json.dumps(sent[0], sort_keys=True) == json.dumps(spec, sort_keys=True)


@pytest.mark.parametrize(
    "line",
    [
        ["fipa-request"], ["--protocol", "p", "a", "--follow", "--wait", "1s"], ["p", "a", "--step", "1"],
        ["p", "a", "--start-price", "1"], ["p", "a", "--start-price", "x"], ["p", "a", "--accept", "min:$.a"],
        ["p", "a", "--accept", "least:$.a:1"], ["p", "a", "--accept", "min:$.a:NaN"], ["p", "a", "--winners", "x"],
    ],
)  # fmt: skip
def test_wrong_terms_are_usage_errors(line: list[str]) -> None:
    """Exit code 2, before anything is sent."""
    assert CliRunner().invoke(start, line).exit_code == 2
