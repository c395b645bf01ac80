"""Tests of whole nodes as processes: bad input, crashes, and what clients see of both."""
