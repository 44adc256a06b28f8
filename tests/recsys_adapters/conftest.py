import pytest

from tests.recsys_adapters.contract import shared_connection


@pytest.fixture
def connection():
    return shared_connection()
