"""Tests of what an author of agents uses."""
