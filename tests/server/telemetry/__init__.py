"""Tests of logs, trace ids and metrics."""
