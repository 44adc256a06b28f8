"""Contracts for families of pipelines: a test of your own subclasses one. The only room that needs pytest."""

import pytest

pytest.register_assert_rewrite(f"{__name__}.family_contract")
# Nobody is to find it here.
del pytest
