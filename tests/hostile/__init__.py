"""Guests that try to break the node: a corpus of them, a mutator that makes more, and what is measured of both."""
