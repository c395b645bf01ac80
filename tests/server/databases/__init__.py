"""Tests of what is done to a database beside its node."""
