"""What is never drawn, or no longer shown."""

import pytest
from typer.testing import CliRunner

from flows.cli import app
from flows.nightly import STAGES, nightly
from flows.settings import read_settings
from flows.workspace import open_lake
from tests.flows.nights import NIGHT, write_settings

pytestmark = pytest.mark.usefixtures("prefect_server")


def ask(settings_file, sql):
    lake = open_lake(read_settings(settings_file), read_only=True)
    try:
        return [tuple(row.values()) for row in lake.query(sql).to_pylist()]
    finally:
        lake.close()


def test_a_user_who_opts_out_loses_pictures_files_and_place_in_the_gallery(settings_file):
    nightly(str(settings_file), STAGES)
    workspace = read_settings(settings_file).workspace
    ((image,),) = ask(settings_file, "SELECT image_path FROM artworks WHERE user_id = '2'")
    said = CliRunner().invoke(app, ["opt-out", "2", "--settings", str(settings_file)])
    assert "user 2 gets no personalized pictures" in said.output
    nightly(str(settings_file), STAGES)
    assert ask(settings_file, "SELECT count(*) FROM artworks WHERE user_id = '2'") == [(0,)]
    assert ask(settings_file, "SELECT count(*) FROM profiles WHERE user_id = '2'") == [(0,)]
    assert not (workspace / image).exists()
    assert "User 2<" not in (workspace / "gallery" / "index.html").read_text()
    for (path,) in ask(settings_file, "SELECT image_path FROM artworks"):
        assert (workspace / path).exists()


def test_a_word_that_is_blocked_later_takes_its_pictures_away(settings_file):
    nightly(str(settings_file), STAGES)
    ((title, user),) = ask(
        settings_file,
        "SELECT title, user_id FROM artworks JOIN items USING (item_id) ORDER BY user_id LIMIT 1",
    )
    (settings_file.parent / "blocked.txt").write_text(title.rsplit(" (", 1)[0] + "\n")
    write_settings(settings_file.parent, NIGHT + '[safety]\nblocklist = "blocked.txt"\n')
    night = nightly(str(settings_file), STAGES)
    assert night["counts"]["generate"]["flagged"] >= 1
    ((status, path, reason),) = ask(
        settings_file, f"SELECT status, image_path, reason FROM artworks WHERE user_id = '{user}'"
    )
    assert (status, path) == ("flagged", None)
    assert "the text filter refused" in reason
