"""The same four agents in every language: each does what the scripts of `examples/agents/samples` say.

One suite for all languages; a language is one row of `samples.ROWS`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from caxton_core.ports import Sandbox
from caxton_core.registry import Registry
from caxton_core.resources import Manifest
from caxton_server.authoring import plays, rehearsals
from caxton_server.authoring.languages import LANGUAGES
from caxton_server.authoring.scripts import Script, read

from tests.examples.compilers import AGENTS
from tests.sdk.samples import ROWS, SAMPLES, SCRIPTS, TOGETHER, Samples

pytestmark = [pytest.mark.once, pytest.mark.usefixtures("installed")]


def scripts_of(path: Path) -> list[Script]:
    """Read the scripts of a file."""
    return read(path, path.name).unwrap()


@pytest.fixture(scope="module")
def samples(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Samples:
    """Build samples, each once."""
    cache = getattr(request.config, "cache", None)
    folder = tmp_path_factory.mktemp("samples") if cache is None else cache.mkdir("caxton-samples")
    return Samples(Path(folder))


@pytest.fixture(scope="module")
def registry() -> Registry:
    """Load the plugins."""
    return plays.plugins().unwrap()


@pytest.fixture(scope="module", params=list(ROWS))
def language(request: pytest.FixtureRequest) -> str:
    """Name each language in turn."""
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def sandboxes(
    registry: Registry, language: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[str, Sandbox]]:
    """Yield the sandbox of a language, which compiles each module once for all workers."""
    kept = tmp_path_factory.getbasetemp().parent / "compiled-samples"
    kept.mkdir(mode=0o700, exist_ok=True)
    with rehearsals.shared_sandboxes(registry, LANGUAGES[language].profile, str(kept)) as made:
        yield made.unwrap()


def scripts(sample: str) -> list[Script]:
    """Read the scripts of a sample."""
    return scripts_of(SCRIPTS / f"{sample}.yaml")


@pytest.mark.parametrize("sample", SAMPLES)
def test_a_sample_does_what_its_scripts_say(
    sample: str, language: str, samples: Samples, registry: Registry, sandboxes: Mapping[str, Sandbox]
) -> None:  # fmt: skip
    """Every script passes, in whatever language the agent is written."""
    module = samples(language, sample)
    document: dict[str, Any] = {
        "name": sample, "profile": LANGUAGES[language].profile, "limits": dict(ROWS[language].limits),
        "config": {"sample": sample, **({"cost": 1} if sample == "bidder" else {})},
    }  # fmt: skip
    manifest = Manifest.parse(document).unwrap()
    played = [
        plays.play(registry, sandboxes, manifest, module, script) for script in scripts(sample)
    ]
    assert [(each.name, each.failed) for each in played] == [(each.name, None) for each in played]
    assert len(played) >= 2


@pytest.mark.parametrize(
    "language", [name for name, row in ROWS.items() if row.together], indirect=True
)
@pytest.mark.parametrize(
    "script", scripts_of(TOGETHER / "roles.yaml"), ids=lambda each: str(each.name)
)
def test_a_library_plays_every_role(
    script: Script, language: str, samples: Samples, registry: Registry, sandboxes: Mapping[str, Sandbox]
) -> None:  # fmt: skip
    """What a library says of a conversation is what happened, on either side, over restarts."""
    module = samples(language, "roles")
    document = {
        "name": "roles", "profile": LANGUAGES[language].profile, "limits": dict(ROWS[language].limits),
        "config": {"sample": "roles"},
    }  # fmt: skip
    played = plays.play(registry, sandboxes, Manifest.parse(document).unwrap(), module, script)
    assert played.failed is None


def test_every_language_has_every_sample(language: str) -> None:
    """No sample is missing, and none is there that no script describes."""
    home = AGENTS / language
    found = sorted(path.stem for path in home.glob(f"*{ROWS[language].suffix}"))
    assert found == SAMPLES


def test_every_language_is_tested() -> None:
    """A language that projects may be written in has a row here."""
    assert set(LANGUAGES) == set(ROWS)


def test_a_bidder_without_a_cost_does_not_start(
    language: str, samples: Samples, registry: Registry, sandboxes: Mapping[str, Sandbox]
) -> None:
    """A configuration that an agent can't work with fails its start."""
    module = samples(language, "bidder")
    profile, limits = LANGUAGES[language].profile, dict(ROWS[language].limits)
    config = {"sample": "bidder"}
    document = {"name": "bidder", "profile": profile, "limits": limits, "config": config}
    manifest = Manifest.parse(document).unwrap()
    played = plays.play(registry, sandboxes, manifest, module, scripts("bidder")[3])
    assert played.failed is None
    without = Script("bidder.yaml", 1, "no cost", {}, (), ())
    failed = plays.play(registry, sandboxes, manifest, module, without).failed
    assert failed is not None
    assert failed.step == "start"
