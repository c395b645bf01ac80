"""Deployment strategies: pure functions from deployment and observation to effects."""
