"""Chosen pictures, copied with a table of what each is."""

import polars as pl
import pytest

from flows.questions.export import ExportError, export_pictures
from flows.questions.query import QueryError
from flows.settings import read_settings
from tests.flows.nights import ask


@pytest.fixture
def settings(published_file):
    return read_settings(published_file)


def test_all_pictures_of_the_night_are_copied_with_what_each_is(settings, published_file, tmp_path):
    folder = tmp_path / "chosen"
    assert export_pictures(settings, folder) == (4, 0)
    table = pl.read_csv(folder / "pictures.csv", schema_overrides={"user_id": pl.String})
    rows = ask(published_file, "SELECT user_id, picture, reference_titles FROM pictures")
    for user_id, path, titles in rows:
        (row,) = table.filter(pl.col("user_id") == user_id).to_dicts()
        assert (folder / row["file"]).read_bytes() == (settings.workspace / path).read_bytes()
        assert row["reference_titles"] == "; ".join(titles)
    assert {file.name for file in folder.iterdir()} == {"pictures.csv", *table["file"]}


def test_a_query_chooses_and_may_ask_for_the_plain_twins(settings, tmp_path):
    sql = "SELECT user_id, plain_image_path FROM artworks ORDER BY user_id LIMIT 2"
    assert export_pictures(settings, tmp_path / "plain", sql) == (2, 0)
    assert pl.read_csv(tmp_path / "plain" / "pictures.csv").columns == ["user_id", "plain_image_path", "file"]


def test_what_is_no_file_of_the_workspace_has_a_row_and_no_file(settings, tmp_path):
    sql = "SELECT unnest(['https://elsewhere/stock.png', 'images/lost.png', NULL]) AS picture"
    assert export_pictures(settings, tmp_path / "none", sql) == (3, 3)
    assert [file.name for file in (tmp_path / "none").iterdir()] == ["pictures.csv"]


def test_a_folder_with_files_is_left_alone(settings, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ExportError, match="is not empty: name a new folder"):
        export_pictures(settings, tmp_path)


def test_a_query_without_pictures_is_refused_and_no_folder_made(settings, tmp_path):
    with pytest.raises(ExportError, match="must have a column picture, image_path or plain_image_path"):
        export_pictures(settings, tmp_path / "new", "SELECT user_id FROM artworks")
    with pytest.raises(QueryError, match="nowhere"):
        export_pictures(settings, tmp_path / "new", "SELECT * FROM nowhere")
    assert not (tmp_path / "new").exists()
