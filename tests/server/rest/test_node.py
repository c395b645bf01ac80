"""The node over HTTP: health, modules, deployments, plugins, configuration, metrics."""

from __future__ import annotations

import re
import urllib.request

import pytest
from caxton_server.client import Client
from caxton_server.client_errors import Refused
from caxton_server.telemetry.metrics import METRICS

from tests.server.rest.conftest import Ask, Hosted
from tests.server.rest.guests import answering, silent


def test_health_shows_the_node(client: Client) -> None:
    """Health says who runs, since when, with how many agents, and how durably."""
    view = client.health().unwrap()
    assert (view.status, view.node, view.durability) == ("ok", "caxton", "memory")
    assert client.is_ready()


def test_module_is_pushed_shown_and_removed(client: Client, ask: Ask) -> None:
    """A module is kept under its digest until it is removed; pushed again it is the same."""
    module = answering('{"performative":"inform","content":"module"}')
    view = client.push_module(module).unwrap()
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", view.sha256)
    assert view.imports == ["caxton.log"]
    assert client.push_module(module).unwrap().sha256 == view.sha256
    digest = view.sha256.removeprefix("sha256:")
    assert ask("GET", f"/modules/{digest}")[0] == ask("GET", f"/modules/{view.sha256}")[0] == 200
    assert view.sha256 in [one.sha256 for one in client.modules(limit=1000).unwrap().items]
    client.remove_module(view.sha256).unwrap()
    assert ask("GET", f"/modules/{digest}")[0] == 404
    assert ask("GET", "/modules/nonsense")[0] == 422


def test_module_in_use_stays(client: Client) -> None:
    """A module that an agent runs can't be removed."""
    deployed = client.deploy({"name": "user"}, silent()).unwrap()
    error = client.remove_module(deployed.agent.module).failure()
    assert isinstance(error, Refused)
    assert error.status == 409
    client.remove_agent("user").unwrap()


@pytest.mark.parametrize("body", [b"no wasm", b"\0asm\1\0\0\0\0garbage", b"\0asm"])
def test_bytes_that_are_no_module_are_refused(ask: Ask, body: bytes) -> None:
    """What is no module is 422 invalid_module."""
    status, _, answer = ask("POST", "/modules", body=body, Content_Type="application/wasm")
    assert (status, answer["code"]) == (422, "invalid_module")


def test_new_version_is_deployed_directly(client: Client, ask: Ask) -> None:
    """POST /deployments moves an agent to a new version; other strategies are 501."""
    client.deploy({"name": "moving", "version": "1"}, silent()).unwrap()
    digest = client.agent("moving").unwrap().module
    body = {"agent": "moving", "manifest": {"name": "moving", "version": "2", "module": digest}}
    status, headers, view = ask("POST", "/deployments", body=body)
    assert (status, view["strategy"], view["version"]) == (202, "direct", "2")
    assert client.agent("moving").unwrap().version == "2"
    shown = ask("GET", f"/deployments/{view['id']}")
    assert (shown[0], shown[2]["state"]) == (200, "running")
    assert headers["Location"].endswith(view["id"])
    assert len(client.deployments(limit=1000).unwrap().items) >= 2
    strategies: list[object] = ["canary", {"canary": {"steps": []}}]
    for strategy in strategies:
        assert ask("POST", "/deployments", body={**body, "strategy": strategy})[0] == 501
    assert ask("POST", "/deployments", body={**body, "agent": "other"})[0] == 400
    assert ask("POST", f"/deployments/{view['id']}/pause")[0] == 501
    assert ask("GET", "/deployments/nonsense")[0] == 404
    client.remove_agent("moving").unwrap()


def test_plugins_and_configuration_are_shown(client: Client) -> None:
    """The loaded plugins and every section of the configuration are there."""
    provided = {name for plugin in client.plugins().unwrap().items for name in plugin.provides}
    assert {"sandbox:wasm", "storage:memory", "strategy:direct"} <= provided
    config = client.config().unwrap()
    assert config["storage"]["url"] == "memory:"
    assert config["auth"]["token"] is None


def test_every_metric_is_scraped(client: Client, hosted: Hosted) -> None:
    """All names of the table are in the scrape, and the series have no agent in them."""
    client.deploy({"name": "measured"}, silent()).unwrap()
    client.send({"performative": "inform", "receiver": "measured", "content": 1}).unwrap()
    assert hosted.server.metrics_url is not None
    with urllib.request.urlopen(hosted.server.metrics_url, timeout=10) as answer:
        text = answer.read().decode()
    for row in METRICS:
        name = f"caxton_{row.name}"
        assert f"# TYPE {name} {row.kind}" in text
    assert 'caxton_agents{state="running"}' in text
    assert 'route="/api/v1/agents"' in text
    assert "measured" not in text
    client.remove_agent("measured").unwrap()
