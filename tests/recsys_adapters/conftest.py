import pytest

from recsys_adapters.testing.line_contract import shared_connection


@pytest.fixture
def connection():
    return shared_connection()
