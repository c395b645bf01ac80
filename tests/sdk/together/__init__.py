"""All samples of a language in one agent, because a component takes long to build."""
