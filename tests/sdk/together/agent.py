"""The samples in Python as one agent: it is the one that `sample` in its configuration names."""

from __future__ import annotations

import importlib
from typing import Any

from caxton_agent import Agent, Message

SAMPLES = {
    name: importlib.import_module(name).agent
    for name in ("bidder", "counter", "echo", "feed", "roles")
}


class Together(Agent):
    """Does what the chosen agent does."""

    chosen: Agent

    def start(self, config: Any) -> None:
        """Choose."""
        self.chosen = SAMPLES[config["sample"]]
        self.chosen.start(config)

    def handle(self, message: Message) -> Message | None:
        """Let the chosen one answer."""
        return self.chosen.handle(message)


agent = Together()
