"""No secret of an address is left where others read it, however the address is spelled."""

import re
import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from feature_store.schemas.addresses import (
    UnreadableAddressError,
    UnsafeCatalogError,
    check_catalog,
    check_connection,
    mask,
    secrets_in,
    without_secrets,
)

SECRET = "s3cr3t-Marked"
SPELLINGS = (
    f"postgres:dbname=lake host=h password={SECRET}",
    f"postgres:password = '{SECRET}' dbname=lake host=h",
    f"postgres:dbname=lake host=h sslpassword={SECRET}",
    f"postgres:dbname=lake PASSWORD='{SECRET}' host=h",
    f"postgres:postgresql://ann:{SECRET}@h/lake",
    f"postgres:postgres://ann:{SECRET}@h:5432/lake?sslmode=require&sslpassword={SECRET}",
    f"postgres:postgresql://h/lake?password={SECRET}",
    f"ducklake:postgres:dbname=lake password={SECRET} host=h",
    f"postgres:dbname='postgresql://ann:{SECRET}@h/lake'",
    f"postgres:dbname=lake password='not closed {SECRET}",
    f"postgres:postgresql://ann:{SECRET}/x@h/lake",
    f"postgresql+psycopg2://ann:{SECRET}@h/mlflow",
    f"https://ann:{SECRET}@h/path",
    f"https:/ann:{SECRET}@h/path",
    f"https://{SECRET}@h/path",
    f"https://h/log.csv?X-Amz-Signature={SECRET}",
    f"s3://{SECRET}:{SECRET}@bucket/key",
)


@pytest.mark.parametrize("address", SPELLINGS)
def test_no_spelling_keeps_its_secret_and_every_secret_is_known(address):
    assert SECRET not in without_secrets(address)
    assert SECRET not in mask(f"cannot open {address} now", secrets_in(address))


@pytest.mark.parametrize(
    ("address", "told"),
    [
        (SPELLINGS[0], "postgres:dbname=lake host=h"),
        (SPELLINGS[5], "postgres:postgres://ann@h:5432/lake?sslmode=require"),
        ("postgres:dbname='a lake' host=h", "postgres:dbname='a lake' host=h"),
        ("https://h:443/@scope/package", "https://h:443/@scope/package"),
        ("sqlite:////data/mlflow.db", "sqlite:////data/mlflow.db"),
        ("/data/what?/a@b.csv", "/data/what?/a@b.csv"),
        ("{title}, {genres} film poster", "{title}, {genres} film poster"),
    ],
)
def test_what_is_not_secret_stays_and_still_connects(address, told):
    assert without_secrets(address) == told


def quoted(value):
    return "'" + re.sub(r"(['\\])", r"\\\1", value) + "'"


def escaped(value):
    return re.sub(r"([\s'\\])", r"\\\1", value)


@given(
    password=st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=8, max_size=20),
    spell=st.sampled_from([quoted, escaped]),
    spaces=st.sampled_from(["", " ", "\t "]),
)
@example(password="it's \\ a =pass", spell=quoted, spaces=" ")
def test_a_password_of_any_signs_is_read_as_libpq_reads_it(password, spell, spaces):
    address = f"postgres:dbname=lake password{spaces}={spaces}{spell(password)} host=h"
    check_connection(address)
    assert without_secrets(address) == "postgres:dbname=lake host=h"
    assert password in secrets_in(address)


@given(address=st.text(string.printable, max_size=60))
def test_any_text_is_told_without_an_error_and_telling_it_twice_changes_nothing(address):
    for text in (address, f"postgres:{address}", f"postgres://{address}"):
        told = without_secrets(text)
        assert without_secrets(told) == told
        assert isinstance(secrets_in(text), frozenset)


@pytest.mark.parametrize("address", SPELLINGS[9:11])
def test_what_libpq_would_not_read_is_refused_without_repeating_it(address):
    with pytest.raises(UnreadableAddressError, match="it is no") as refused:
        check_connection(address)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("address", ["sqlite:/mnt/all/catalog.sqlite", "duckdb:lake.db", "mysql:db=lake", ""])
def test_a_catalogue_that_is_no_postgresql_is_refused_for_its_locks_reach_one_machine(address):
    with pytest.raises(UnsafeCatalogError, match="only PostgreSQL keeps the writers of several machines apa"):
        check_catalog(address)


@pytest.mark.parametrize("address", ["postgres:dbname=lake host=a,b", "postgres:postgresql://ann@a,b/lake"])
def test_a_catalogue_on_either_of_two_servers_is_refused_unless_it_is_always_the_first_one(address):
    with pytest.raises(UnsafeCatalogError, match="a lock may be held on one and rows be written on another"):
        check_catalog(address)
    joint = "?" if "//" in address else " "
    check_catalog(f"{address}{joint}target_session_attrs=primary")


def test_one_server_of_postgresql_is_a_catalogue():
    check_catalog("postgres:dbname=lake host=db.internal password='a b'")
    check_catalog("postgres:postgresql://ann@db.internal/lake")
