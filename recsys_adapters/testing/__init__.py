"""Contracts for adapters: a test of your own subclasses one. The only room that needs pytest."""

import pytest

pytest.register_assert_rewrite(f"{__name__}.line_contract")
# Nobody is to find it here.
del pytest
