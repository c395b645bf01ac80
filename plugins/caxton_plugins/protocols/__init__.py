"""Interaction protocols: each one is its table and the few hooks the table cannot say."""
