"""Tests of whole nodes as processes: bad input, crashes, and what clients see of both."""

import pytest

pytest.register_assert_rewrite("tests.e2e.nodes")
