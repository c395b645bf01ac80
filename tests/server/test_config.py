"""The configuration: defaults, precedence, and every way to get it wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from caxton_core.errors import InvalidSetting
from caxton_core.resources import Limits
from caxton_server.config import SECTIONS, SETTINGS, Config, data_url, is_loopback, load
from caxton_server.config_sections import StorageConfig
from caxton_server.config_sources import Origin
from caxton_server.config_values import Secret
from returns.result import Failure, Success


def write(tmp_path: Path, text: str) -> Path:
    """Write a configuration file."""
    path = tmp_path / "caxton.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def mistakes(path: Path | None, environ: dict[str, str], **overrides: object) -> list[str]:
    """Load a configuration that is wrong and return what was said."""
    match load(path, environ, overrides):
        case Failure(wrong):
            return str(wrong).splitlines()
    raise AssertionError("the configuration was accepted")


def test_nothing_given_is_the_defaults_of_the_contract() -> None:
    """Without file, environment or flags a node is called caxton and listens on this machine only."""
    config = load(None, {}, {}).unwrap()
    assert (config.server.platform, config.server.host, config.server.port) == (
        "caxton",
        "127.0.0.1",
        8080,
    )
    assert (config.server.metrics_port, config.server.grpc_port) == (9090, None)
    assert config.storage == StorageConfig(url="sqlite:///caxton-data/caxton.db", durability="disk")
    assert (config.runtime.workers, config.runtime.conversation_ttl) == (1, 24 * 3600 * 1000)
    assert config.runtime.limits.default == Limits()
    assert config.origins == {}


def test_the_sections_are_those_of_the_contract() -> None:
    """There are seven sections, each with at least one setting."""
    assert {name.split(".")[0] for name in SETTINGS} == set(SECTIONS)
    assert len(SECTIONS) == 7


def test_flags_win_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    """Each source overrides the one before and every value remembers where it came from."""
    path = write(tmp_path, "server:\n  port: 1\n  platform: one\n  metrics_port: 11\n")
    environ = {"CAXTON_SERVER__PORT": "2", "CAXTON_SERVER__PLATFORM": "two"}
    config = load(path, environ, {"server.port": 3, "server.host": None}).unwrap()
    assert config.server.port == 3
    assert config.server.platform == "two"
    assert config.server.metrics_port == 11
    assert config.origin("server.port") == Origin("--port")
    assert config.origin("server.platform") == Origin("CAXTON_SERVER__PLATFORM")
    assert str(config.origin("server.metrics_port")) == f"{path}:4:17"
    assert str(config.origin("server.host")) == "default"


def test_the_file_is_the_one_named_first(tmp_path: Path) -> None:
    """`--config` wins over CAXTON_CONFIG_PATH."""
    one = write(tmp_path, "server: {port: 1}")
    two = tmp_path / "two.yaml"
    two.write_text("server: {port: 2}", encoding="utf-8")
    environ = {"CAXTON_CONFIG_PATH": str(two)}
    assert load(one, environ, {}).unwrap().server.port == 1
    assert load(None, environ, {}).unwrap().server.port == 2
    assert load(None, environ, {}).unwrap().file == str(two)


@pytest.mark.parametrize("text", ["", "# nothing\n", "server:\n", "{}\n", "---\n"])
def test_an_empty_file_is_the_defaults(tmp_path: Path, text: str) -> None:
    """A file without settings changes nothing."""
    assert load(write(tmp_path, text), {}, {}).unwrap().server == Config().server


def test_sizes_and_durations_are_written_with_units(tmp_path: Path) -> None:
    """16MiB and 2h are what people write; a bare number of milliseconds is not a duration."""
    text = "runtime:\n  conversation_ttl: 2h\n  limits:\n    default: {memory: 1MiB, time_ms: 20}\n"
    runtime = load(write(tmp_path, text), {}, {}).unwrap().runtime
    assert runtime.conversation_ttl == 7_200_000
    assert (runtime.limits.default.memory, runtime.limits.default.time_ms) == (1 << 20, 20)
    assert runtime.limits.default.cpu_ms == 50


def test_environment_values_become_what_the_setting_is() -> None:
    """Text from the environment turns into numbers, lists, nothing and free settings."""
    config = load(
        None,
        {
            "CAXTON_SERVER__METRICS_PORT": "off",
            "CAXTON_PLUGINS__BLOCK": "direct, postgres",
            "CAXTON_PLUGINS__SETTINGS__SQLITE__BUSY": "3",
            "CAXTON_RUNTIME__LIMITS__DEFAULT__TIME_MS": "500",
            "CAXTON_RUNTIME__LIMITS__DEFAULT__STATE": "2MiB",
            "CAXTON_STORAGE__URL": "memory:",
        },
        {},
    ).unwrap()
    assert config.server.metrics_port is None
    assert config.plugins.block == ("direct", "postgres")
    assert config.plugins.settings == {"sqlite": {"busy": 3}}
    assert config.runtime.limits.default == Limits(time_ms=500, state=2 << 20)  # type: ignore[arg-type]  # plain numbers
    assert config.storage.folder() is None


def test_off_in_yaml_leaves_a_listener_out(tmp_path: Path) -> None:
    """YAML reads a bare `off` as false; for a port that means none."""
    config = load(write(tmp_path, "server: {metrics_port: off, grpc_port: null}"), {}, {}).unwrap()
    assert config.server.metrics_port is None


def test_an_unknown_key_names_the_nearest_and_its_place(tmp_path: Path) -> None:
    """A misspelt key is found at its file, line and column."""
    path = write(tmp_path, "server:\n  port: 1\n  hots: here\n")
    assert mistakes(path, {}) == [
        f"{path}:3:3: server.hots: unknown setting; did you mean server.host?"
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sever: {port: 1}", "1:1: sever: unknown setting; did you mean server?"),
        ("port: 1", "1:1: port: unknown setting; did you mean server.port?"),
        ("xyzzy: 1", "1:1: xyzzy: unknown setting"),
        (
            "runtime: {limits: {default: {memroy: 1}}}",
            "1:30: runtime.limits.default.memroy: unknown setting; did you mean runtime.limits.default.memory?",
        ),
        ("server: {port: 1, port: 2}", "1:19: server.port: given twice, first at line 1"),
        ("server: 5", "1:9: server: expected a mapping of settings"),
        ("- 1", "1:1: the file: expected a mapping of settings"),
        ("server: {port: high}", "1:16: server.port: expected a port, 0 to 65535"),
        ("server: {port: 65536}", "1:16: server.port: expected a port, 0 to 65535"),
        ("server: {port: true}", "1:16: server.port: expected a port, 0 to 65535"),
        ("server: {platform: A B}", "1:20: server.platform: expected 1 to 63 of a-z, 0-9, dot and hyphen"),
        ("storage: {durability: dsik}", "1:23: storage.durability: expected one of disk, process, memory"),
        ("runtime: {conversation_ttl: 60}", "1:29: runtime.conversation_ttl: write a number and one of ms s m h d"),
        ("runtime: {node_memory: 5XB}", "1:24: runtime.node_memory: the unit 'XB' is none of B KiB MiB GiB KB MB GB"),
        ("runtime: {limits: {default: {cpu_ms: 0}}}", "1:38: runtime.limits.default.cpu_ms: expected a number of at least 1, got 0"),
        ("runtime: {workers: 4}", "1:20: runtime.workers: only 1 worker works for now, not 4; run one node for each core"),
        ("server: {grpc_port: 50051}", "1:21: server.grpc_port: this build has no gRPC; leave it off"),
        ("runtime: {node_memory: most}", "1:24: runtime.node_memory: write a number and one of B KiB MiB GiB KB MB GB"),
        ("cluster: {plugin: nats}", "1:19: cluster.plugin: expected one of local"),
        ("server: {port: [}", "1:17: configuration: is no YAML: expected the node content, but found '}'"),
        ("a: !!python/object:os.system x", "1:1: a: unknown setting"),
        ("? [a, b]\n: 1", "1:3: configuration: a setting's name must be a plain word"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_file_is_found_at_its_place(tmp_path: Path, text: str, said: str) -> None:
    """Each mistake says where it is and what is wanted."""
    path = write(tmp_path, text)
    assert mistakes(path, {}) == [f"{path}:{said}"]


@pytest.mark.parametrize(
    "text",
    [
        "a: &a {b: *a}",
        "plugins: {settings: &a {b: *a}}",
        "plugins: {settings: " + "{a: " * 400 + "1" + "}" * 400 + "}",
        "plugins: {settings: " + "{a: " * 20000 + "1" + "}" * 20000 + "}",
        "server: {host: !!python/name:os.system ''}",
        "server: \x00",
        "a: 1\n---\nb: 2",
    ],
)
def test_a_hostile_file_is_refused_in_words(tmp_path: Path, text: str) -> None:
    """Recursive aliases, deep nesting, Python tags, control characters: an error, no traceback."""
    assert len(mistakes(write(tmp_path, text), {})) == 1


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """A missing file, a folder, wrong encoding and sheer size are each said."""
    missing = tmp_path / "none.yaml"
    assert mistakes(missing, {}) == [
        f"{missing}: configuration: can't be read: No such file or directory"
    ]
    assert "can't be read" in mistakes(tmp_path, {})[0]
    latin = tmp_path / "latin.yaml"
    latin.write_bytes(b"server: {host: \xe9}")
    assert "is not UTF-8" in mistakes(latin, {})[0]
    large = tmp_path / "large.yaml"
    large.write_bytes(b"#" * (1024 * 1024 + 1))
    assert "larger than 1 MiB" in mistakes(large, {})[0]


@pytest.mark.parametrize(
    ("variable", "nearest"),
    [
        ("CAXTON_SERVR__PORT", "CAXTON_SERVER__PORT"),
        ("CAXTON_SERVER__PROT", "CAXTON_SERVER__PORT"),
        ("CAXTON_SERVER_PORT", "CAXTON_SERVER__PORT"),
        ("CAXTON_TOKN", "CAXTON_TOKEN"),
        ("CAXTON_RUNTIME__LIMITS__DEFAULT__MEMROY", "CAXTON_RUNTIME__LIMITS__DEFAULT__MEMORY"),
    ],
)
def test_an_unknown_variable_names_the_nearest(variable: str, nearest: str) -> None:
    """A misspelt variable is an error that names the one that was meant."""
    assert mistakes(None, {variable: "1"}) == [
        f"environment: {variable}: unknown setting; did you mean {nearest}?"
    ]


def test_the_four_variables_that_are_no_settings_pass() -> None:
    """CAXTON_CONFIG_PATH, _URL, _TOKEN and _TRACE_PLUGINS, and strangers' variables, are left alone."""
    environ = {"CAXTON_URL": "x", "CAXTON_TOKEN": "y", "CAXTON_TRACE_PLUGINS": "1", "HOME": "/"}
    assert isinstance(load(None, environ, {}), Success)


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    """Nobody has to start a node five times to find five mistakes."""
    path = write(tmp_path, "server: {prot: 1, port: x}\nruntime: {workers: 4}\n")
    match load(path, {"CAXTON_X": "1"}, {"server.host": "0.0.0.0"}):
        case Failure(wrong):
            assert [mistake.key for mistake in wrong.mistakes] == [
                "server.prot",
                "CAXTON_X",
                "server.port",
                "server.host",
                "runtime.workers",
            ]
            assert all(type(mistake) is InvalidSetting for mistake in wrong.mistakes)
        case _:
            pytest.fail("the configuration was accepted")


def test_other_machines_are_served_only_with_a_token(tmp_path: Path) -> None:
    """An address that others can reach needs authentication."""
    assert "can be reached from other machines" in mistakes(None, {"CAXTON_SERVER__HOST": "::"})[0]
    token = tmp_path / "token"
    token.write_text("cxt_1_secret\n", encoding="utf-8")
    environ = {"CAXTON_SERVER__HOST": "0.0.0.0", "CAXTON_AUTH__TOKEN_FILE": str(token)}
    config = load(None, environ, {}).unwrap()
    assert config.auth.token == Secret("cxt_1_secret")
    assert [is_loopback(host) for host in ("127.0.0.9", "::1", "localhost", "example.org")] == [
        True,
        True,
        True,
        False,
    ]


def test_an_unusable_token_is_refused(tmp_path: Path) -> None:
    """A token file that is missing or empty must not open the node to everybody."""
    environ = {"CAXTON_AUTH__TOKEN_FILE": str(tmp_path / "none")}
    assert "No such file" in mistakes(None, environ)[0]
    (tmp_path / "empty").write_text("\n", encoding="utf-8")
    assert "auth.token" in mistakes(None, {"CAXTON_AUTH__TOKEN_FILE": str(tmp_path / "empty")})[0]
    assert "auth.token" in mistakes(None, {"CAXTON_AUTH__TOKEN": " "})[0]


def test_secrets_are_never_shown() -> None:
    """Neither a token nor the password in a database URL is in anything printed."""
    environ = {
        "CAXTON_AUTH__TOKEN": "hunter2",
        "CAXTON_STORAGE__URL": "postgresql://me:hunter2@db/x",
    }
    config = load(None, environ, {}).unwrap()
    assert config.auth.token is not None
    assert config.auth.token.reveal() == "hunter2"
    assert config.flat()["storage.url"] == "postgresql://me:***@db/x"
    for text in (repr(config.auth), str(config.shown()), str(config.flat()), f"{config.auth}"):
        assert "hunter2" not in text


@pytest.mark.parametrize(
    ("url", "folder"),
    [
        ("sqlite:///caxton-data/caxton.db", Path("caxton-data")),
        (data_url("/var/lib/caxton"), Path("/var/lib/caxton")),
        ("memory:", None),
        ("postgresql://db/caxton", Path("caxton-data")),
        ("postgres:///caxton.main", Path("caxton-data")),
        ("jsonlines:///journal", Path("journal")),
        ("jsonlines:////var/journal/all.jsonl", Path("/var/journal")),
    ],
)
def test_the_data_folder_follows_from_the_url(url: str, folder: Path | None) -> None:
    """The folder of the database is also that of the module cache and the lock."""
    assert StorageConfig(url=url).folder() == folder


def test_the_data_folder_of_a_server_is_a_setting() -> None:
    """Where the database is no file, `storage.data` says where the rest is."""
    url = "postgresql://db/caxton"
    config = load(None, {"CAXTON_STORAGE__URL": url, "CAXTON_STORAGE__DATA": "/srv/c"}, {}).unwrap()
    assert config.storage.folder() == Path("/srv/c")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:sec%2Fret@db/x",
        "postgresql://me:sec/ret@db/x",
        "postgresql://me:se@cret@db/x",
        "postgresql://db/x?user=me&password=secret",
    ],
)
def test_no_password_of_a_database_is_shown(url: str) -> None:
    """However a password stands in the URL, the settings are shown without it."""
    shown = str(load(None, {"CAXTON_STORAGE__URL": url}, {}).unwrap().flat()["storage.url"])
    assert "***" in shown
    assert "ret" not in shown


def test_what_is_shown_can_be_read_back(tmp_path: Path) -> None:
    """The text of `config show` in a file gives the same configuration."""
    import yaml

    config = load(None, {"CAXTON_RUNTIME__CONVERSATION_TTL": "90m"}, {}).unwrap()
    shown = config.shown()
    shown["plugins"]["block"] = list(shown["plugins"]["block"])
    again = load(write(tmp_path, yaml.safe_dump(shown)), {}, {}).unwrap()
    assert again.runtime == config.runtime
    assert again.shown() == config.shown()


KEY = "RWSvsXEk/VNJlekx3IBXOKhu26eCXPbNjeEmJQBlGNutzNfYfQZbnAmf"


def test_keys_are_read_with_the_configuration(tmp_path: Path) -> None:
    """A bare off is a policy, lists come from both sources, and a key that is none is a mistake with its place."""
    off = write(tmp_path, "runtime: {signatures: {policy: off}}")
    assert load(off, {}, {}).unwrap().trust().unwrap().policy == "off"
    environ = {
        "CAXTON_RUNTIME__SIGNATURES__POLICY": "require",
        "CAXTON_RUNTIME__SIGNATURES__TRUSTED": KEY,
        "CAXTON_RUNTIME__SIGNATURES__REVOKED": f"7A0A89DD7EDCE689,{KEY}",
    }
    trust = load(None, environ, {}).unwrap().trust().unwrap()
    assert [str(key) for key in trust.trusted] == [KEY]
    assert trust.revoked == {"7A0A89DD7EDCE689", "954953FD2471B1AF"}
    wrong = write(tmp_path, f"runtime:\n  signatures:\n    trusted: [{KEY[:-4]}]\n")
    (said,) = mistakes(wrong, {})
    assert "3:14: runtime.signatures.trusted" in said
    assert "is no public key" in said


def test_the_nodes_memory_is_a_size_or_a_word(tmp_path: Path) -> None:
    """Both sources say auto, off, 0 and sizes, and what is shown can be written again."""
    for written, meant, shown in (
        ("auto", "auto", "auto"),
        ("off", None, None),
        ("0", 0, "0B"),
        ("4GiB", 4 << 30, "4GiB"),
    ):
        path = write(tmp_path, f"runtime: {{node_memory: {written}}}")
        environ = {"CAXTON_RUNTIME__NODE_MEMORY": written}
        for config in (load(path, {}, {}).unwrap(), load(None, environ, {}).unwrap()):
            assert config.runtime.node_memory == meant
            assert config.flat()["runtime.node_memory"] == shown
