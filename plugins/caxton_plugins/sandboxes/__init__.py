"""Sandboxes: what runs the code of an agent."""
