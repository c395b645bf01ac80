"""Tests of the REST edge, over real HTTP."""
