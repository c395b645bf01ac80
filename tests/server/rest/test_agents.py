"""Agents over HTTP: deployed in every form, listed, driven, watched, removed."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import closing

import pytest
from caxton_server.client import Client
from caxton_server.client_errors import Finding, Refused
from returns.result import Failure, Success

from tests.server.rest.conftest import Ask
from tests.server.rest.guests import answering, silent

INFORM = answering('{"performative":"inform","content":"hi"}', log="said \x1b[1mhi\n")


@pytest.fixture
def agent(client: Client) -> Iterator[str]:
    """An agent that answers, removed afterwards."""
    manifest = {"name": "greeter", "services": [{"type": "greeting", "name": "hi"}]}
    client.deploy(manifest, INFORM).unwrap()
    yield "greeter"
    client.remove_agent("greeter")


def test_agent_is_running_when_it_is_created(client: Client) -> None:
    """201 comes with the agent running; it is then found by name, handle and address."""
    deployed = client.deploy({"name": "a", "version": "1.2.3"}, INFORM).unwrap()
    assert (deployed.agent.state, deployed.agent.version) == ("running", "1.2.3")
    assert deployed.deployment.state == "running"
    for ref in ("a", "A", deployed.agent.id, "a@caxton"):
        assert client.agent(ref).unwrap() == deployed.agent
    assert client.remove_agent("a") == Success(None)
    assert isinstance(client.agent("a"), Failure)


@pytest.mark.parametrize(
    ("media", "body"),
    [
        ("application/json", {"manifest": {"name": "f"}, "module_base64": True}),
        ("application/json", {"manifest": "name: f\n", "module_base64": True}),
        ("application/json", {"manifest": {"name": "f", "module": True}}),
        ("application/json", {"name": "f", "module": True}),
        ("application/x-www-form-urlencoded", {"name": "f", "module": True}),
        ("application/yaml", "name: f\nmodule: {}\n"),
        ("application/x-www-form-urlencoded", "name: f\nmodule: {}\n"),
    ],
)
def test_manifest_comes_in_many_forms(client: Client, ask: Ask, media: str, body: object) -> None:
    """JSON with Base64, JSON or YAML naming a digest, as text or as an object: all deploy."""
    digest = client.push_module(INFORM).unwrap().sha256
    if isinstance(body, str):
        data = body.format(digest).encode()
    else:
        text = json.dumps(body).replace('"module": true', f'"module": "{digest}"')
        encoded = base64.b64encode(INFORM).decode()
        data = text.replace('"module_base64": true', f'"module_base64": "{encoded}"').encode()
    status, headers, answer = ask("POST", "/agents", body=data, Content_Type=media)
    assert (status, answer["agent"]["state"]) == (201, "running")
    assert headers["Location"] == f"/api/v1/agents/{answer['agent']['id']}"
    client.remove_agent("f").unwrap()


def multipart(**parts: bytes) -> bytes:
    """Return a multipart body with the boundary `x`."""
    head = b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
    return b"".join(head % (name.encode(), data) for name, data in parts.items()) + b"--x--\r\n"


def test_module_part_wins_over_the_manifest(client: Client, ask: Ask) -> None:
    """In a multipart form the module part counts, whatever path the manifest names."""
    body = multipart(manifest=b"name: m\nmodule: elsewhere.wasm\n", module=INFORM)
    status, _, _ = ask("POST", "/agents", body=body, Content_Type="multipart/form-data; boundary=x")
    assert status == 201
    client.remove_agent("m").unwrap()


@pytest.mark.parametrize(
    ("media", "body", "status", "code"),
    [
        ("application/json", b"{", 400, "invalid_request"),
        ("application/json", b"[1]", 400, "invalid_request"),
        ("application/json", b'{"manifest": 5}', 400, "invalid_request"),
        ("application/json", b'{"manifest": {}, "modul": 1}', 400, "invalid_request"),
        ("application/json", b'{"manifest": {}, "module_base64": "!"}', 400, "invalid_request"),
        ("application/json", b"[" * 100_000, 400, "invalid_request"),
        ("application/json", b'{"name": "x", "limitz": {}}', 422, "invalid_manifest"),
        ("application/json", b'{"name": "X Y"}', 422, "invalid_manifest"),
        ("application/json", b'{"name": "x"}', 422, "invalid_module"),
        ("application/yaml", b"name: [", 400, "invalid_request"),
        ("application/yaml", b"- a\n", 400, "invalid_request"),
        ("application/yaml", b"\xff\xfe\x00", 400, "invalid_request"),
        ("application/yaml", b"[" * 50_000, 400, "invalid_request"),
        ("application/yaml", b"- " * 50_000, 400, "invalid_request"),
        ("application/yaml", b"- x\n" * 50_000, 400, "invalid_request"),
        ("application/yaml", b"name: &a [*a]", 400, "invalid_request"),
        ("application/yaml", b"name: !!python/object:os.system x", 400, "invalid_request"),
        ("application/yaml", b"? {a: 1}\n: 1", 400, "invalid_request"),
        ("application/yaml", b"name: " + b"x" * 300_000, 413, "payload_too_large"),
        ("multipart/form-data", multipart(manifest=b"name: x"), 400, "invalid_request"),
        ("multipart/form-data; boundary=x", b"", 400, "invalid_request"),
        ("multipart/form-data; boundary=x", multipart(module=b""), 400, "invalid_request"),
        ("multipart/form-data; boundary=x", multipart(manifest=b"", a=b""), 400, "invalid_request"),
        (
            "multipart/form-data; boundary=x",
            multipart(manifest=b"name: x", module=b"no wasm"),
            422,
            "invalid_module",
        ),
    ],
)
def test_bad_upload_says_what_is_wrong(
    ask: Ask, media: str, body: bytes, status: int, code: str
) -> None:
    """Whatever is wrong with an upload is a 4xx, and leaves no agent behind."""
    got, _, answer = ask("POST", "/agents", body=body, Content_Type=media)
    assert (got, answer["code"]) == (status, code)
    assert ask("GET", "/agents/x")[0] == 404


def test_aliases_in_yaml_do_not_multiply(ask: Ask) -> None:
    """A document that grows by its aliases is refused before anything walks it."""
    lines = ["a0: &a0 [x]"] + [
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)
    ]
    status, _, answer = ask(
        "POST", "/agents", body="\n".join(lines).encode(), Content_Type="application/yaml"
    )
    assert (status, answer["code"]) == (400, "invalid_request")


def test_every_wrong_key_is_named(client: Client) -> None:
    """A manifest's errors come with pointers and the nearest known key."""
    error = client.deploy({"name": "x", "limits": {"memroy": 1}}, INFORM).failure()
    assert isinstance(error, Refused)
    assert error.errors == (Finding("unknown key", pointer="/limits/memroy", nearest="memory"),)


def test_name_is_taken_once(client: Client, agent: str) -> None:
    """A second agent of the same name is 409."""
    error = client.deploy({"name": agent}, INFORM).failure()
    assert isinstance(error, Refused)
    assert (error.status, error.code, error.exit_code) == (409, "agent_exists", 4)


def test_verbs_follow_the_state_table(client: Client, agent: str) -> None:
    """A legal verb moves the agent, an illegal one is 409 and names what is legal."""
    assert client.control(agent, "suspend").unwrap().state == "suspended"
    error = client.control(agent, "start").failure()
    assert isinstance(error, Refused)
    assert (error.status, error.code) == (409, "invalid_transition")
    assert "resume" in error.detail
    assert client.control(agent, "resume").unwrap().state == "running"
    assert client.control(agent, "restart").unwrap().state == "running"
    assert client.control(agent, "stop").unwrap().state == "stopped"
    assert client.control(agent, "start").unwrap().state == "running"


def test_etag_guards_against_lost_changes(ask: Ask, agent: str) -> None:
    """If-Match with an old ETag is 412, with the present one it passes; If-None-Match is 304."""
    _, headers, shown = ask("GET", f"/agents/{agent}")
    etag = headers["ETag"]
    assert etag == f'"{shown["etag"]}"'
    assert ask("GET", f"/agents/{agent}", If_None_Match=etag)[0] == 304
    assert ask("POST", f"/agents/{agent}/suspend", If_Match=etag)[0] == 200
    status, _, answer = ask("POST", f"/agents/{agent}/resume", If_Match=etag)
    assert (status, answer["code"]) == (412, "precondition_failed")
    assert ask("DELETE", f"/agents/{agent}", If_Match=etag)[0] == 412
    assert ask("DELETE", f"/agents/{agent}", If_Match="*")[0] == 204


def test_agents_are_listed_in_pages(client: Client) -> None:
    """Pages follow each other by their cursor and end; filters narrow them."""
    names = ["p1", "p2", "p3"]
    for name in names:
        client.deploy({"name": name, "services": [{"type": name}]}, silent()).unwrap()
    first = client.agents(limit=2, name="p?").unwrap()
    assert first.next_cursor is not None
    second = client.agents(limit=2, name="p?", cursor=first.next_cursor).unwrap()
    assert [view.name for view in [*first.items, *second.items]] == names
    assert second.next_cursor is None
    assert [view.name for view in client.agents(service="p2").unwrap().items] == ["p2"]
    assert client.agents(state="failed").unwrap().items == []
    assert [view.type for view in client.directory(type="p3").unwrap().items] == ["p3"]
    error = client.conversations(cursor=first.next_cursor).failure()
    assert isinstance(error, Refused)
    assert error.status == 400
    for name in names:
        client.remove_agent(name).unwrap()


def test_stats_logs_and_versions_are_shown(client: Client, agent: str) -> None:
    """What an agent used, wrote and ran is there to be read, without control characters."""
    client.request({"performative": "request", "receiver": agent, "content": 1}).unwrap()
    stats = client.stats(agent).unwrap()
    assert (stats.messages_in, stats.messages_out) == (1, 1)
    (line,) = client.logs(agent).unwrap().items
    assert (line.seq, line.level) == (1, "info")
    assert line.text.startswith("said ")
    assert line.text.isprintable()
    assert client.logs(agent, after=1).unwrap().items == []
    assert [version.version for version in client.versions(agent).unwrap().items] == ["0.0.0"]


def test_log_can_be_followed(client: Client, agent: str) -> None:
    """Lines written earlier and later arrive on one stream."""
    message = {"performative": "request", "receiver": agent, "content": 1}
    client.request(message).unwrap()
    with closing(client.follow_logs(agent)) as lines:
        assert next(lines).seq == 1
        client.request(message).unwrap()
        assert next(lines).seq == 2


@pytest.mark.parametrize("path", ["", "/stats", "/logs", "/logs?follow=1", "/versions"])
def test_unknown_agent_is_not_found(ask: Ask, path: str) -> None:
    """Nothing about an agent that is not there is anything but 404."""
    status, _, answer = ask("GET", f"/agents/nobody{path}")
    assert (status, answer["code"]) == (404, "agent_not_found")
    assert ask("POST", "/agents/nobody/start")[0] == 404
    assert ask("DELETE", "/agents/nobody")[0] == 404
