"""Deterministic simulation: the real runtime under a virtual clock, where one integer replays a run exactly."""
