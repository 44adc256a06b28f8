import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys_adapters.sources.recommendations import Recommendations
from recsys_adapters.testing.line_contract import HeaderContract, Utf8Contract, stage


class TestRankedCsv(HeaderContract):
    header = b"user_id,item_id,rank,score"
    required = b"item_id"
    file_name = "lists.csv"
    broken = {
        b"": "line is empty",
        b"u,i,1": "line has 3 columns, expected 4",
        b",i,1,0.5": "user_id is missing",
        b"u,,1,0.5": "item_id is missing",
        b"u1,i,-1,0.5": "rank is below 0",
        b"u,i,first,0.5": "rank is not a number",
        b"u,i,1.5,0.5": "rank is not a whole number",
        b"u,i,1e12,0.5": "rank is beyond 1,000,000,000",
        b"u,i,inf,0.5": "rank is not a whole number",
        b"u,i,1,inf": "score is not finite",
        b"u,i,1,high": "score is not a number",
    }

    def record(self, number):
        return f"u{number % 2},i{number},{number // 2 + 1},{1 / (number + 1):.2f}".encode()

    def source_file(self, folder):
        return Recommendations(path=folder).files()[0]

    def test_a_row_is_a_target(self, clean):
        assert clean.rows[3] == ("u1", "i3", 2, 0.25, None)


class TestRankedJson(Utf8Contract):
    file_name = "lists.jsonl"
    broken = {
        b"": "line is empty",
        b'{"user_id": "u", "item_id": "i", "rank": -1}': "rank is below 0",
        b'{"user_id": "u", "item_id": "i", "rank": "top"}': "rank is not a number",
    }

    def record(self, number):
        return json.dumps({"user_id": "u", "item_id": number, "rank": number + 1}).encode()

    def source_file(self, folder):
        return Recommendations(path=folder, format="jsonl").files()[0]


def test_a_row_has_a_rank_or_a_score(connection, tmp_path):
    path = tmp_path / "lists.csv"
    path.write_text("who,what,score\na,x,0.1\nb,x,0.7\na,z,\na,w,inf\na,broken,9,9\n")
    (file,) = Recommendations(path=path, columns={"user_id": "who", "item_id": "what"}).files()
    staged = stage(connection, file)
    assert {row[:4] for row in staged.rows} == {("a", "x", None, 0.1), ("b", "x", None, 0.7)}
    assert [(line, reason) for line, reason, _ in staged.rejects] == [
        (4, "rank and score are missing"),
        (5, "score is not finite"),
        (6, "line has 4 columns, expected 3"),
    ]


def test_parquet_lists_are_read_by_rows(connection, tmp_path):
    table = pa.table({"user_id": ["a", "a"], "item_id": [1, 2], "score": [0.5, 0.75]})
    pq.write_table(table, tmp_path / "lists.parquet")
    (file,) = Recommendations(path=tmp_path, format="parquet").files()
    assert sorted(stage(connection, file).rows) == [("a", "1", None, 0.5, None), ("a", "2", None, 0.75, None)]


@pytest.mark.parametrize(
    "written",
    ["[3 1 2]", "[3. 1. 2.]", "['3' '1' '2']", "['3', '1', '2']", "[3,1,2]", "[ 3  1 2 ]"]
    + ["[np.int64(3), np.int64(1), np.int64(2)]", "[np.float64(3.0), 1, 2]", "[np.str_('3'), '1', '2']"],
)
def test_a_list_is_read_in_its_order_whoever_writes_it(connection, tmp_path, written):
    path = tmp_path / "lists.csv"
    path.write_text(f'user_id,item_id\na,"{written}"\n')
    (file,) = Recommendations(path=path).files()
    staged = stage(connection, file)
    assert sorted((rank, item) for _, item, rank, *_ in staged.rows) == [(1, "3"), (2, "1"), (3, "2")]


@pytest.mark.parametrize("written", ["1|NULL|2.0", "nan|1| 2"])
def test_what_an_element_of_a_list_says_is_looked_at_as_in_a_column_of_its_own(connection, tmp_path, written):
    path = tmp_path / "lists.csv"
    path.write_text(f"user_id,item_id\na,{written}\n")
    (file,) = Recommendations(path=path, separator="|").files()
    staged = stage(connection, file)
    assert {item for _, item, *_ in staged.rows} == {"1", "2"}
    assert [reason for _, reason, _ in staged.rejects] == ["item_id is missing"]


def test_a_value_without_the_separator_is_a_list_of_one(connection, tmp_path):
    path = tmp_path / "lists.csv"
    path.write_text("user_id,item_id\nu,1|2\nv,5\nw,\n")
    (file,) = Recommendations(path=path, separator="|").files()
    staged = stage(connection, file)
    assert [row[:3] for row in staged.rows] == [("u", "1", 1), ("u", "2", 2), ("v", "5", 1)]
    assert [(line, reason) for line, reason, _ in staged.rejects] == [(4, "item_id is missing")]


@pytest.mark.parametrize("items", ['"5"', "5"])
def test_a_lone_value_where_the_settings_name_a_list_is_a_list_of_one(connection, tmp_path, items):
    (tmp_path / "a.jsonl").write_text(f'{{"user_id": "v", "items": {items}}}\n{{"user_id": "w"}}\n')
    columns = {"item_id": "items"}
    (file,) = Recommendations(path=tmp_path, format="jsonl", columns=columns, unnest="items").files()
    staged = stage(connection, file)
    assert [row[:3] for row in staged.rows] == [("v", "5", 1)]
    assert [(line, reason) for line, reason, _ in staged.rejects] == [(2, "item_id is missing")]


@pytest.mark.parametrize("written", ["[None, 'x', None, None]", "[None, None, 'x', None]"])
def test_what_python_calls_none_is_no_item(connection, tmp_path, written):
    path = tmp_path / "lists.csv"
    path.write_text(f'user_id,item_id\na,"{written}"\n')
    (file,) = Recommendations(path=path).files()
    staged = stage(connection, file)
    assert [item for _, item, *_ in staged.rows] == ["x"]
    assert [reason for _, reason, _ in staged.rejects] == ["item_id is missing"] * 3


@pytest.mark.parametrize("scores", ["[0.5 0.25]", "[np.float64(0.5), np.float64(0.25)]"])
def test_scores_beside_the_items_are_read_whoever_writes_them(connection, tmp_path, scores):
    path = tmp_path / "lists.csv"
    path.write_text(f'user_id,item_id,score\na,"[3, 1]","{scores}"\n')
    (file,) = Recommendations(path=path).files()
    assert {(item, score) for _, item, _, score, *_ in stage(connection, file).rows} == {
        ("3", 0.5),
        ("1", 0.25),
    }


@pytest.mark.parametrize("written", ["(3, 1)", "['it's', 'x']", "[Row(item_id=5, rating=0.9)]", "[{5, 0.9}]"])
def test_a_list_that_cannot_be_read_is_no_item(connection, tmp_path, written):
    path = tmp_path / "lists.csv"
    path.write_text(f'user_id,item_id\na,"{written}"\n')
    (file,) = Recommendations(path=path).files()
    staged = stage(connection, file)
    assert not staged.rows
    assert "list" in staged.rejects[0][1]


@pytest.mark.parametrize(
    ("first", "second", "read"),
    [
        ("r-20240501030000.csv", "r-20240502030000.csv", ["r-20240502030000.csv"]),
        ("users_20000000.csv", "users_20100000.csv", ["users_20000000.csv", "users_20100000.csv"]),
    ],
)
def test_lists_of_the_last_day_are_read_and_numbers_are_no_days(tmp_path, first, second, read):
    for name in (first, second):
        (tmp_path / name).write_text("user_id,item_id,rank\na,x,1\n")
    assert [file.name for file in Recommendations(path=tmp_path).files()] == read


def test_an_unknown_role_is_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"place unknown\. Map any of user_id, item_id, rank, score"):
        Recommendations(path=tmp_path, columns={"place": "rank"})


def test_lists_without_a_day_beside_those_with_one_are_told(tmp_path):
    for name in ("2024-05-01.csv", "2024-05-02.csv", "extra.csv"):
        (tmp_path / name).write_text("user_id,item_id,rank\na,x,1\n")
    (file,) = Recommendations(path=tmp_path).files()
    assert file.name == "2024-05-02.csv"
    before, dayless = file.left_aside
    assert before == "1 files of recommendations are of days before the last"
    assert dayless.startswith("1 files of recommendations are not read, for others are named after days")
    assert "extra.csv" in dayless


@pytest.mark.parametrize("scores", [[0.1, 0.9], [0.1, 0.9, None]])
def test_an_item_of_a_list_that_the_list_of_scores_leaves_out_is_refused(connection, tmp_path, scores):
    row = {"user_id": "u1", "item_id": ["1", "2", "3"], "score": scores}
    (tmp_path / "a.jsonl").write_text(json.dumps(row) + "\n")
    (file,) = Recommendations(path=tmp_path, format="jsonl").files()
    staged = stage(connection, file)
    assert [row[1:4] for row in staged.rows] == [("1", None, 0.1), ("2", None, 0.9)]
    assert [reason for _, reason, _ in staged.rejects] == ["rank and score are missing"]
