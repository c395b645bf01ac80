"""Tests of what agents are written with."""
