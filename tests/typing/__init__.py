"""Type tests: read by mypy, never run. Every `type: ignore` here says what must not type-check."""
