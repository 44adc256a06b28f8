"""What Prefect remembers of a failed night loses a user's name, and nothing else."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from prefect import flow
from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL
from pydantic import SecretStr

from flows.commands.prefect_memory import erase_from_prefect

LEAVER = "leaver-4711"


@flow(name="names-a-user")
def fail():
    raise ValueError(f"cannot read {LEAVER}.csv")


@pytest.fixture
def database(prefect_server):
    with pytest.raises(ValueError, match=LEAVER):
        fail()
    url = PREFECT_API_DATABASE_CONNECTION_URL.value()  # a secret or a plain string, by where it was set
    url = url.get_secret_value() if isinstance(url, SecretStr) else url
    return Path(url.removeprefix("sqlite+aiosqlite:///"))


def messages(database):
    with closing(sqlite3.connect(database)) as connection:
        rows = connection.execute("SELECT message FROM flow_run_state WHERE message <> ''").fetchall()
    return [message for (message,) in rows]


def test_a_failures_message_that_names_the_user_is_blanked(database):
    assert any(LEAVER in message for message in messages(database))
    assert erase_from_prefect(database, LEAVER[:-1]) == 0  # another user, whose id is the start of this one
    assert erase_from_prefect(database, LEAVER) >= 1
    assert not any(LEAVER in message for message in messages(database))
    assert erase_from_prefect(database.with_name("nowhere.db"), LEAVER) == 0
