"""Logs, trace ids and metrics: what the node tells its operators."""
