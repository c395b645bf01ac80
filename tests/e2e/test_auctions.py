"""English auctions among WebAssembly bidders, held by the server: over REST, from the command line, through kill -9."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.nodes import Api, Node, until
from tests.e2e.wat import guest, text
from tests.server.cli.servers import run

ENGLISH = "fipa-auction-english"
BID = '{"performative":"propose"}'
CFP = int.from_bytes(b'cfp"', "little")


def bidder(limit: int) -> bytes:
    """Return a guest that bids what is called as long as that is at most its limit, and says nothing else."""
    body = f"""
      (if (i32.ne (call $act (local.get $p) (local.get $n)) (i32.const {CFP})) (then (return (i32.const 0))))
      (local.set $at (call $find (local.get $p) (local.get $n) (i32.const 100) (i32.const 8)))
      (loop $digit
        (local.set $i (i32.sub (i32.load8_u (local.get $at)) (i32.const 48)))
        (if (i32.lt_u (local.get $i) (i32.const 10)) (then
          (local.set $x (i32.add (i32.mul (local.get $x) (i32.const 10)) (local.get $i)))
          (local.set $at (i32.add (local.get $at) (i32.const 1)))
          (br $digit))))
      (if (i32.gt_u (local.get $x) (i32.const {limit})) (then (return (i32.const 0))))
      (call $respond (local.get $p) (i32.const 0) (i32.const {len(BID)}))"""
    data = f"(data (i32.const 0) {text(BID)}) (data (i32.const 100) {text(chr(34) + 'price' + chr(34) + ':')})"
    return guest(body, data)


def deployed(api: Api, prefix: str, *limits: int) -> list[str]:
    """Deploy bidders with these limits."""
    return [api.agent(f"{prefix}{limit}", bidder(limit)) for limit in limits]


def said(api: Api, conversation: str) -> list[Any]:
    """Return the messages of a conversation."""
    return [item["message"] for item in api.all(f"messages?conversation_id={conversation}")]


def test_an_auction_over_rest_sells_to_the_highest_bidder(api: Api) -> None:
    """The others drop out one after the other; the buyer is asked to carry out the sale, once."""
    bidders = deployed(api, "r", 40, 55, 30)
    spec = {
        "protocol": ENGLISH, "participants": bidders, "content": {"lot": 7}, "reply_by": "+1s", "wait": "60s",
        "auction": {"start": 30, "step": 10, "reserve": 45},
    }  # fmt: skip
    answer = api.post("conversations", spec)
    assert answer.status == 200, answer
    view = answer.body
    assert (view["outcome"], view["winner"], view["result"]) == (
        "sold", "r55@caxton", {"price": 50},
    )  # fmt: skip
    messages = said(api, view["id"])
    calls = [message["content"] for message in messages if message["performative"] == "cfp"]
    assert calls == [
        {"item": {"lot": 7}, "price": price, "round": number}
        for number, price in enumerate([30, 40, 50, 60], 1)
    ]
    sales = [message for message in messages if message["performative"] == "request"]
    assert [(sale["receiver"], sale["content"]["price"]) for sale in sales] == [("r55@caxton", 50)]
    assert api.get(f"conversations/{view['id']}") == view


def test_an_auction_from_the_command_line(api: Api) -> None:
    """It prints who bought, and at which price."""
    bidders = deployed(api, "c", 30, 55)
    line = ["conversation", "start", "--protocol", ENGLISH, *bidders, "--content", "vase"]
    terms = ["--start-price", "40", "--step", "9", "--reserve", "45", "--reply-by", "+700ms"]
    done = run(*line, *terms, "--wait", "60s", "--json", CAXTON_URL=api.url)
    assert done.returncode == 0, done.stderr
    view = json.loads(done.stdout)
    assert (view["outcome"], view["winner"]) == ("sold", "c55@caxton")
    assert view["result"] == {"price": 49}


@pytest.mark.timeout(200)
def test_an_auction_goes_on_through_kills(nodes: Callable[..., Node]) -> None:
    """Killed in the middle, again and again, it calls every price once, accepts one bid for each, and sells once."""
    node = nodes()
    rounds = 400
    bidders = deployed(node.api, "k", 10_000, 10_001, 10_002)
    spec = {
        "protocol": ENGLISH, "participants": bidders, "reply_by": "+60s", "rounds": rounds,
        "auction": {"start": 1, "step": 1},
    }  # fmt: skip
    opened = node.api.post("conversations", spec)
    assert opened.status == 201, opened
    path = f"conversations/{opened.body['id']}"
    kills = 0
    for part in (1, 3):
        until(lambda part=part: node.api.get(path)["messages"] > part * rounds)  # type: ignore[misc]
        if node.api.get(path)["outcome"] is None:
            kills += 1
        node.again()
    view = until(lambda: (found := node.api.get(path))["outcome"] and found)
    assert (view["outcome"], view["result"]) == ("sold", {"price": rounds})
    messages = said(node.api, view["id"])
    prices = list(range(1, rounds + 1))
    for act in ("cfp", "accept-proposal"):
        named = [m["content"]["price"] for m in messages if m["performative"] == act]
        assert named == prices
    sales = [message for message in messages if message["performative"] == "request"]
    assert [sale["receiver"] for sale in sales] == [view["winner"]]
    bids = [message for message in messages if message["performative"] == "propose"]
    assert len(bids) == 3 * rounds
    assert kills
