"""Each role of request and contract net, with the helpers of each language on either side."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from caxton_plugins.sandboxes.wasm import WasmSandbox

from tests.examples.nodes import Platform
from tests.server.runtime.nodes import control

ROLES = Path(__file__).parent / "roles"
# Zig on either side is the same on every Python.
PAIRS = [
    *[(mine, theirs) for mine in ("c", "ts") for theirs in ("c", "ts")],
    *[
        pytest.param(*pair, marks=pytest.mark.once)
        for pair in (("zig", "zig"), ("zig", "c"), ("ts", "zig"))
    ],
]
Pair: TypeAlias = Callable[..., Any]

pytestmark = pytest.mark.parametrize(("mine", "theirs"), PAIRS)


@pytest.fixture
async def platform(
    mine: str, theirs: str, sandbox: WasmSandbox, compiled: Callable[[Path], bytes]
) -> Platform:
    """Run a node with the agent `me` in one language and the agents `you` and `third` in another."""
    made = Platform(sandbox)
    await made.start()
    await made.agent("me", compiled(ROLES / f"roles.{mine}"))
    await made.agent("you", compiled(ROLES / f"roles.{theirs}"))
    await made.agent("third", compiled(ROLES / f"roles.{theirs}"))
    return made


def ask(platform: Platform, content: Any, **more: Any) -> None:
    """Let me ask you for something."""
    platform.tell("me", do="ask", to="you", content=content, wait=1000, **more)


def call(platform: Platform, **offers: Any) -> None:
    """Let me call you and the third for offers, each of which is given."""
    pairs = [[name, offer] for name, offer in offers.items()]
    platform.tell("me", do="call", to=["you", "third"], content=pairs, wait=1000, note="n")


@pytest.mark.parametrize(
    ("content", "heard", "outcome"),
    [
        ({"x": [1, '"']}, r'request informed "why" {"x":[1,"\""]}', "success"),
        ("refuse", 'request refused "why" "busy"', "refused"),
        ("failure", 'request failed "why" "broken"', "failed"),
    ],
)
async def test_a_request_is_answered_at_once(
    platform: Platform, content: Any, heard: str, outcome: str
) -> None:
    """The initiator hears the answer with its own note, and keeps nothing."""
    ask(platform, content, note="why")
    assert platform.said("me") == ["ask 0", heard]
    assert await platform.outcomes("fipa-request") == [outcome]
    assert (platform.kept("me"), platform.kept("you")) == ([], [])


@pytest.mark.parametrize(
    ("order", "heard", "outcome"),
    [("keep", "informed", "success"), ("break", "failed", "failed")],
)
async def test_a_promise_is_kept_or_broken_after_a_kill(
    platform: Platform, order: str, heard: str, outcome: str
) -> None:
    """Who agreed knows after a restart whom it owes an answer, and who asked knows what for."""
    ask(platform, "agree", note={"n": 1})
    assert platform.said("me") == ["ask 0", 'request agreed {"n":1}']
    assert (platform.kept("me"), platform.kept("you")) == (["request"], ["promise"])
    platform.advance(3600)
    platform = await platform.killed()
    platform.tell("you", do=order, content="late")
    assert platform.said("you") == [f"{order} 0"]
    assert platform.said("me") == [f'request {heard} {{"n":1}} "late"']
    assert await platform.outcomes("fipa-request") == [outcome]
    assert (platform.kept("me"), platform.kept("you")) == ([], [])
    platform.tell("you", do=order, content="again")
    assert platform.said("you")[-1] == f"{order} -5"


async def test_a_request_is_cancelled(platform: Platform) -> None:
    """The participant forgets its promise and says so; the initiator hears that it is over."""
    ask(platform, "agree")
    platform.tell("me", do="cancel", of="request", wait=1000)
    assert platform.said("you") == ["promise cancelled"]
    assert platform.said("me")[-1] == 'request cancelled null "stopped"'
    assert await platform.outcomes("fipa-request") == ["cancelled"]
    assert (platform.kept("me"), platform.kept("you")) == ([], [])
    platform.tell("me", do="cancel", of="request", wait=1000)
    assert platform.said("me")[-1] == "cancel -5"


async def test_a_cancel_that_is_not_answered_counts_when_its_time_is_over(
    platform: Platform,
) -> None:
    """The initiator may forget what it asked for even if nobody confirms that."""
    ask(platform, "silence")
    platform.tell("me", do="cancel", of="request", wait=1000)
    assert platform.said("me")[-1] == "cancel 0"
    platform.advance(2)
    assert platform.said("me")[-1].startswith("request cancelled null")
    assert await platform.outcomes("fipa-request") == ["cancelled"]
    assert platform.kept("me") == []


async def test_a_request_without_an_answer_expires(platform: Platform) -> None:
    """The platform closes the conversation at the deadline, and the initiator hears of it."""
    ask(platform, "silence")
    platform.advance(0.5)
    assert platform.said("me") == ["ask 0"]
    platform.advance(0.6)
    assert platform.said("me")[-1].startswith("request expired null")
    assert await platform.outcomes("fipa-request") == ["expired"]
    assert platform.kept("me") == []


async def test_a_participant_that_breaks_is_a_failure(platform: Platform) -> None:
    """What the AMS says of a trap ends the request."""
    ask(platform, "trap")
    assert platform.said("me")[-1].startswith('request failed null {"reason":"trap"')
    assert platform.kept("me") == []


async def test_a_request_that_can_not_be_sent_leaves_nothing(platform: Platform) -> None:
    """What `send` answers is what the helper answers, and no record and no timer remain."""
    platform.tell("me", do="ask", to="nobody", content=1, wait=1000)
    platform.tell("me", do="ask", to="me", content=1, wait=1000)
    platform.tell("me", do="call", to=["you", "nobody"], content=[], wait=1000)
    assert platform.said("me") == ["ask -2", "ask -5", "call -2"]
    assert platform.kept("me") == []
    assert platform.cell("me").timers == {}


async def test_a_request_without_a_protocol_gets_an_answer_it_may_have(platform: Platform) -> None:
    """Outside the protocol there is no refuse and no agree: a failure, and later the result."""
    heard = platform.heard("label")
    platform.post("you", "request", content="refuse", conversation_id="label")
    platform.settle()
    platform.post("you", "request", content="agree", conversation_id="label")
    platform.settle()
    assert [each["performative"] for each in heard] == ["failure"]
    platform.tell("you", do="keep", content="done")
    assert [each["performative"] for each in heard] == ["failure", "inform"]
    assert await platform.letters() == []


async def test_the_best_offer_wins(platform: Platform) -> None:
    """The beaten offer is rejected at once, the award gets the result, and who was last does not matter."""
    call(platform, you={"cost": 5}, third={"cost": 3})
    assert platform.said("me")[-1] == 'net choice "n" {"cost":3}'
    assert platform.said("you") == ['offer rejected {"cost":5}']
    platform = await platform.killed()
    platform.tell("me", do="award", content="go", wait=1000)
    assert platform.said("third") == ['offer accepted {"cost":3}']
    assert platform.said("me") == ["award 0", 'net done "n" {"cost":3}']
    assert await platform.outcomes("fipa-contract-net") == ["success"]
    assert [platform.kept(name) for name in ("me", "you", "third")] == [[], [], []]


async def test_the_first_of_equal_offers_wins(platform: Platform) -> None:
    """An offer must be better than the best to replace it, whoever comes first."""
    offers = {name: {"cost": 4, "by": name} for name in ("you", "third")}
    call(platform, **offers)
    _, first, choice = platform.said("me")
    assert choice == first.replace("collecting", "choice")
    told = {name: platform.said(name) for name in offers}
    loser = "third" if '"you"' in choice else "you"
    rejected = f'offer rejected {{"cost":4,"by":"{loser}"}}'
    assert told == {name: [rejected] if name == loser else [] for name in offers}


async def test_a_call_ends_at_its_time(platform: Platform) -> None:
    """Who stays silent is not waited for longer than was said, and may not offer any more."""
    call(platform, you={"cost": 5}, third="silence")
    assert platform.said("me")[-1] == 'net collecting "n" {"cost":5}'
    platform.advance(1.1)
    assert platform.said("me")[-1] == 'net choice "n" {"cost":5}'
    platform.tell("me", do="award", content="failure", wait=1000)
    assert platform.said("me")[-1] == 'net failed "n" "broken"'
    assert await platform.outcomes("fipa-contract-net") == ["failed"]


@pytest.mark.parametrize(
    ("offers", "outcome"),
    [
        ({"you": "refuse", "third": "refuse"}, "all-refused"),
        ({"you": {"price": 1}, "third": "refuse"}, "all-rejected"),
        ({"you": "silence", "third": "refuse"}, "no-proposals"),
    ],
)
async def test_a_call_without_an_offer_is_over(
    platform: Platform, offers: dict[str, Any], outcome: str
) -> None:
    """When nobody makes an offer that is any good, there is nothing to choose."""
    call(platform, **offers)
    platform.advance(1.1)
    assert platform.said("me")[-1].startswith('net nobody "n"')
    assert await platform.outcomes("fipa-contract-net") == [outcome]
    assert platform.kept("me") == []


async def test_no_offer_need_be_taken(platform: Platform) -> None:
    """The initiator may reject the best offer too."""
    call(platform, you={"cost": 5}, third={"cost": 3})
    platform.tell("me", do="reject", content="too dear")
    assert platform.said("third") == ['offer rejected {"cost":3}']
    assert await platform.outcomes("fipa-contract-net") == ["all-rejected"]
    platform.tell("me", do="award", content="go", wait=1000)
    assert platform.said("me")[-1] == "award -5"
    assert platform.kept("me") == []


async def test_the_winner_may_take_its_time(platform: Platform) -> None:
    """The result may come later, after a kill; a result that never comes is not waited for for ever."""
    call(platform, you={"cost": 2}, third={"cost": 3})
    platform.tell("me", do="award", content="later", wait=60_000)
    assert platform.kept("you") == ["promise"]
    platform = await platform.killed()
    platform.tell("you", do="keep", content="built")
    assert platform.said("me") == ['net done "n" "built"']
    call(platform, you={"cost": 2}, third={"cost": 3})
    platform.tell("me", do="award", content="later", wait=60_000)
    platform.advance(61)
    assert platform.said("me")[-1].startswith('net expired "n"')
    assert sorted(str(each) for each in await platform.outcomes("fipa-contract-net")) == [
        "expired",
        "success",
    ]


async def test_an_offer_that_nobody_takes_passes(platform: Platform) -> None:
    """The participant forgets it when it does not hold any more, and a late award is refused."""
    call(platform, you={"cost": 2}, third={"cost": 3})
    platform.advance(61)
    assert platform.said("you") == ['offer passed {"cost":2}']
    platform.tell("me", do="award", content="go", wait=1000)
    assert platform.said("me")[-1] == "award -5"
    assert (platform.kept("me"), platform.kept("you")) == ([], [])


async def test_a_receiver_that_is_gone_is_not_waited_for(platform: Platform) -> None:
    """The platform's failure in its name counts as its answer."""
    assert await control(platform, "stop", "third") == "stopped"
    call(platform, you={"cost": 2}, third={"cost": 1})
    assert platform.said("me")[-1] == 'net choice "n" {"cost":2}'
