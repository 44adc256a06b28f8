"""Servers that all these tests share, where they can be had."""

import pytest

from tests.cluster.servers import (
    run_object_store,
    run_postgres,
    why_no_object_store,
    why_no_postgres,
)


@pytest.fixture(scope="session")
def postgres():
    """A PostgreSQL server."""
    if reason := why_no_postgres():
        pytest.skip(reason)
    with run_postgres() as server:
        yield server


@pytest.fixture
def catalog(postgres, request):
    """A catalogue of the test's own, as the settings name it."""
    name = f"t{abs(hash(request.node.nodeid))}"
    yield postgres.address(name)
    postgres.ask(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def object_store():
    """An S3 server."""
    if reason := why_no_object_store():
        pytest.skip(reason)
    with run_object_store() as server:
        yield server
