"""The examples of the helpers in docs/agents.md, exactly as they are printed there."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from caxton_plugins.sandboxes.wasm import WasmSandbox

from tests.examples.compilers import ROOT
from tests.examples.nodes import Platform

PAGE = (ROOT / "docs" / "agents.md").read_text()
ROLES = Path(__file__).parent / "roles" / "roles.c"


def example(heading: str) -> tuple[str, str]:
    """Return the language and the text of the example below a heading."""
    found = re.search(rf"^### {heading}\n.*?^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1], found[2]


@pytest.fixture
def printed(tmp_path: Path, compiled: Callable[[Path], bytes]) -> Callable[[str], bytes]:
    """Compile the example below a heading, beside the modules it imports."""
    (tmp_path / "agent").mkdir()

    def build(heading: str) -> bytes:
        language, text = example(heading)
        source = tmp_path / "agent" / f"page.{'ts' if language == 'typescript' else language}"
        source.write_text(text)
        return compiled(source)

    return build


async def platform(sandbox: WasmSandbox, **modules: bytes) -> Platform:
    """Run a node with these agents."""
    made = Platform(sandbox)
    await made.start()
    for name, module in modules.items():
        await made.agent(name, module)
    return made


def asked(node: Platform, receiver: str, content: Any) -> list[Any]:
    """Ask for something, and return the acts and contents of the answers as they come."""
    answers: list[Any] = []
    listeners = node.node.kernel.listeners.setdefault("c", [])
    listeners.append(lambda message: answers.append((str(message.performative), message.content)))
    node.post(receiver, "request", content=content, protocol="fipa-request", conversation_id="c")
    node.settle()
    return answers


@pytest.mark.parametrize(
    ("content", "answers"),
    [
        ("a page", [("agree", None), ("inform", "a page")]),
        ("refuse", [("agree", None), ("failure", "busy")]),
    ],
)
async def test_the_clerk_passes_orders_on(
    sandbox: WasmSandbox, compiled: Callable[[Path], bytes], printed: Callable[[str], bytes],
    content: str, answers: list[Any],
) -> None:  # fmt: skip
    """The customer hears of the printer's answer; without a printer it is refused."""
    node = await platform(sandbox, clerk=printed("request"))
    assert asked(node, "clerk", content) == [("refuse", "the printer is not there")]
    node = await platform(sandbox, clerk=printed("request"), printer=compiled(ROLES))
    heard = asked(node, "clerk", content)
    assert [act for act, _ in heard] == [act for act, _ in answers]
    assert heard[-1] == answers[-1]


async def test_the_buyer_takes_the_cheapest(
    sandbox: WasmSandbox, compiled: Callable[[Path], bytes], printed: Callable[[str], bytes]
) -> None:
    """The cheaper seller delivers; when nobody sells, the customer is told."""
    seller = compiled(ROLES)
    node = await platform(sandbox, buyer=printed("contract net"), ann=seller, ben=seller)
    heard = asked(node, "buyer", [["ann", {"price": 7}], ["ben", {"price": 5}]])
    assert heard[-1] == ("inform", {"price": 5})
    node = await platform(sandbox, buyer=printed("contract net"), ann=seller, ben=seller)
    assert asked(node, "buyer", [])[-1] == ("failure", "not to be had")
