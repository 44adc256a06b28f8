"""Files of one likeness are read together, each with what its own folders tell."""

import pytest

from recsys_adapters.sources.event_log import EventLog

COLUMNS = {"user_id": "user", "item_id": "item", "event_time": "at"}
WITHOUT_ITEMS, LOG = "user,at\nann,1500000000\n", "user,item,at\nann,7,1500000000\n"


def examined(folder, **options):
    """Each file of a folder, as it is found to be readable."""
    logs = EventLog(**({"path": folder, "columns": COLUMNS} | options)).files()
    return [log.examine() for log in logs]


def write(folder, **files):
    for name, content in files.items():
        (folder / name).mkdir()
        (folder / name / "log.csv").write_text(content)


def told(connection, folder, role, values, **options):
    """What files say of a role whose folders are called by values: it, or why a record is refused."""
    for number, value in enumerate(values):
        place = folder / f"{number}" / f"told={value}"
        place.mkdir(parents=True)
        (place / "log.csv").write_text(LOG)
    first, *others = examined(folder, columns=COLUMNS | {role: "told"}, **options)
    records = first.with_others(others).records(connection)
    rows = connection.execute(f"SELECT coalesce(reason, {role}) FROM ({records}) ORDER BY place").fetchall()
    return [row[0] for row in rows]


@pytest.mark.parametrize(
    ("value", "item"),
    [
        ("7", "7"),
        ("7.0", "7"),
        ("[7]", "told is a list or an object: name it in unnest, or a path into it"),
        ("sku-1_a:B", "sku-1_a:B"),
        (" 7 ", "7"),
        ("7\u200b", "7"),
        ("NULL", "item_id is missing"),
        ("None", "item_id is missing"),
        (" ", "item_id is missing"),
    ],
)
@pytest.mark.parametrize("others", [[], ["8"], ["8", "9.0"]])
def test_ids_that_folders_tell_are_cleaned_as_those_in_files_are(connection, tmp_path, value, item, others):
    found = told(connection, tmp_path, "item_id", [value, *others])
    assert found == [item, *[other.removesuffix(".0") for other in others]]


@pytest.mark.parametrize(
    ("value", "kind"), [("7.0", "7"), ("view", "view"), (" view ", " view "), ("a b", "a b")]
)
def test_kinds_that_folders_tell_are_words_as_those_in_files_are(connection, tmp_path, value, kind):
    assert told(connection, tmp_path, "kind", [value, "buy"]) == [kind, "buy"]
    (tmp_path / "alone").mkdir()
    assert told(connection, tmp_path / "alone", "kind", [value]) == [kind]


def test_what_files_hold_is_cleaned_beside_a_plain_word_of_their_folders(connection, tmp_path):
    folder = tmp_path / "told=view"
    folder.mkdir()
    (folder / "log.csv").write_text("user,item,at\nann,7.0,1500000000\n ,8,1500000000\nbob,9,1500000000\n")
    (one,) = examined(tmp_path, columns=COLUMNS | {"kind": "told"})
    sql = f"SELECT kind, item_id, reason FROM ({one.records(connection)}) ORDER BY line"
    assert connection.execute(sql).fetchall() == [
        ("view", "7", None),
        ("view", "8", "user_id is missing"),
        ("view", "9", None),
    ]


def test_files_of_one_layout_are_alike_whatever_their_folders_tell(tmp_path):
    for value in ("1", "2"):
        (tmp_path / f"told={value}").mkdir()
        (tmp_path / f"told={value}" / "log.csv").write_text(LOG)
    first, second = examined(tmp_path, columns=COLUMNS | {"kind": "told"})
    assert first.likeness == second.likeness


@pytest.mark.parametrize(
    "content",
    [
        "item,user,at\n7,ann,1500000000\n",
        "user,item,at,more\nann,7,1500000000,x\n",
    ],
)
def test_files_of_other_layouts_are_not(tmp_path, content):
    write(tmp_path, a=LOG, b=LOG, c=content)
    first, second, third = examined(tmp_path)
    assert first.likeness == second.likeness
    assert first.likeness != third.likeness


def test_users_are_named_by_file(connection, tmp_path):
    write(tmp_path, a=LOG, b=LOG.replace("ann", "bob"))
    first, second = examined(tmp_path)
    users = first.with_others([second]).users(connection)
    assert sorted(connection.execute(f"SELECT place, user_id FROM ({users})").fetchall()) == [
        (0, "ann"),
        (1, "bob"),
    ]
