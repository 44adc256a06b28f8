"""Files that are named after users are named after their keys in the ledger."""

import pytest

from feature_store.intake.file_names import name_files
from feature_store.lake.sql import quote
from tests.feature_store.logs import key_of


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    from feature_store.lake.lake import Lake

    lake = Lake(tmp_path_factory.mktemp("names") / "lake")
    yield lake
    lake.close()


def named(lake, name, *users):
    """What a file of these users is called, and whose it is."""
    for user in users:
        key_of(lake, user)
    rows = ", ".join(f"(0, {quote(user)})" for user in users)
    return name_files(lake.cursor(), [name], f"(FROM (VALUES {rows}) AS named(place, user_id))")[0]


def test_a_file_of_one_user_that_has_the_users_name_is_the_users_own(lake):
    owner = named(lake, "ann.jsonl", "ann")
    assert (owner.name, owner.user_key) == (f"{key_of(lake, 'ann')}.jsonl", key_of(lake, "ann"))


def test_a_file_of_several_users_hides_the_name_and_is_nobodys(lake):
    owner = named(lake, "ann.csv", "ann", "bob")
    assert (owner.name, owner.user_key) == (f"{key_of(lake, 'ann')}.csv", None)


@pytest.mark.parametrize(
    ("name", "user", "hidden"),
    [
        ("users/user=ann/part-0.parquet", "ann", "users/user={}/part-0.parquet"),
        ("ann/2024.csv", "ann", "{}/2024.csv"),
        ("1.2.csv", "1.2", "{}.csv"),
        ("Жанна.csv.gz", "Жанна", "{}.csv.gz"),
        ("7.csv", "7", "{}.csv"),
        ("user=50%25/part-0.csv", "50%", "user={}/part-0.csv"),
        ("user=a%2Fb/part-0.csv", "a/b", "user={}/part-0.csv"),
    ],
)
def test_a_users_name_is_hidden_wherever_it_stands_in_the_path(lake, name, user, hidden):
    assert named(lake, name, user).name == hidden.format(key_of(lake, user))


@pytest.mark.parametrize("name", ["annual.csv", "joann.csv", "17.csv", "log-1.csv", "1a/2024.csv"])
def test_a_name_that_only_contains_an_id_stays(lake, name):
    owner = named(lake, name, "ann", "1", "7")
    assert (owner.name, owner.user_key) == (name, None)


def test_a_file_that_names_no_user_keeps_its_name(lake):
    assert name_files(lake.cursor(), ["items.csv"], None)[0].name == "items.csv"


def test_each_of_several_files_is_named_after_its_own_users(lake):
    ann, bob = key_of(lake, "ann"), key_of(lake, "bob")
    users = "(FROM (VALUES (0, 'ann'), (1, 'bob'), (1, 'ann'), (2, 'bob')) AS named(place, user_id))"
    owners = name_files(lake.cursor(), ["ann.csv", "ann.csv", "ann.csv", "ann/bob.csv"], users)
    assert [(owner.name, owner.user_key) for owner in owners] == [
        (f"{ann}.csv", ann), (f"{ann}.csv", None), ("ann.csv", None), ("ann/bob.csv", None)
    ]  # fmt: skip
    assert name_files(lake.cursor(), ["-", "-", "bob"], users)[2].user_key == bob
