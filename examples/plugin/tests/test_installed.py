"""The package as Caxton sees it: through its entry points when it is installed."""

from __future__ import annotations

import importlib.metadata

import pytest
from caxton_core import registry
from caxton_example import json_lines, ping_pong


def test_the_plugins_bring_what_they_say() -> None:
    """A protocol and a storage, each under its own name."""
    found = registry.load(
        group="", more={"ping_pong": ping_pong, "json_lines": json_lines}
    ).unwrap()
    assert [protocol.name for protocol in found.protocols()] == ["x-ping-pong"]
    storage = found.storage("jsonlines")
    assert storage is not None
    assert storage.name == "jsonlines"


def test_an_installation_finds_them_beside_the_built_in_ones() -> None:
    """`pip install` is all it takes."""
    names = {point.name for point in importlib.metadata.entry_points(group="caxton")}
    if "ping_pong" not in names:
        pytest.skip("the package is not installed")
    found = registry.load().unwrap()
    assert found.protocol("x-ping-pong").unwrap() is ping_pong.PROTOCOL
    assert found.protocol("fipa-request").unwrap().name == "fipa-request"
