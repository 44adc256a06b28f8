"""A night whose catalogue is PostgreSQL and whose files are in an object store: the one-machine night's."""

import pytest
from typer.testing import CliRunner

from feature_store.lake.lake import Lake
from feature_store.lake.stored_files import ObjectFiles
from flows.cli.program import app
from flows.settings import read_settings
from tests.flows.nights import NIGHT, ask, run, sample_ratings, write_movielens, write_settings

pytestmark = pytest.mark.cluster

ROWS = """
    SELECT user_id, item_id, artwork_digest, image_path, image_sha256, plain_image_path, visible_change, seed,
           num_references, status, model_version FROM artworks ORDER BY ALL
"""
REFERENCES = "SELECT user_id, item_id, position, reference_item_id, weight, origin FROM profiles ORDER BY ALL"
COMMANDS = (("doctor",), ("explain", "2", "{item}"), ("maintain",), ("doctor", "--deep"))


def fan(*arguments, settings_file):
    said = CliRunner().invoke(app, [*arguments, "--settings", str(settings_file)])
    assert said.exit_code == 0, said.output
    return said.output


def place(folder, lines=""):
    write_movielens(folder / "logs", sample_ratings())
    return write_settings(folder, lines + NIGHT)


@pytest.fixture
def on_servers(tmp_path, catalog, storage, monkeypatch):
    monkeypatch.setenv("FAN_MODEL__TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    return place(tmp_path / "servers", f'catalog = "{catalog}"\nstorage = "{storage}"\n')


def objects(settings_file):
    files = ObjectFiles(read_settings(settings_file).storage)
    return {path: files.read(path) for path in files.list("")}


def test_pictures_and_rows_are_those_of_the_one_machine_night(on_servers, tmp_path):
    alone = place(tmp_path / "alone")
    run(on_servers)
    run(alone)
    assert ask(on_servers, ROWS) == ask(alone, ROWS)
    assert ask(on_servers, REFERENCES) == ask(alone, REFERENCES)
    stored, root = objects(on_servers), read_settings(alone).workspace
    pictures = {path: stored[path] for path in stored if path.startswith("images/")}
    assert pictures == {
        str(path.relative_to(root)): path.read_bytes() for path in (root / "images").rglob("*.*")
    }
    assert {path.split("/")[0] for path in stored} - {"lake"} == {"gallery", "images", "mlflow", "references"}
    left = [path for path in read_settings(on_servers).workspace.rglob("*") if path.suffix == ".parquet"]
    assert left == []


def test_care_of_an_object_store_is_that_of_a_folder(on_servers):
    run(on_servers)
    ((item, path, key),) = ask(
        on_servers, "SELECT item_id, image_path, user_key FROM artworks WHERE user_id = '2'"
    )
    for command in COMMANDS:
        said = fan(*(word.format(item=item) for word in command), settings_file=on_servers)
        assert "BROKEN" not in said
    files = ObjectFiles(read_settings(on_servers).storage)
    files.write(path, b"damaged")
    broken = CliRunner().invoke(app, ["doctor", "--settings", str(on_servers)])
    assert broken.exit_code == 1
    assert f"its checksum, and its plain twin: 1 times, for one {path}" in broken.output
    fan("maintain", settings_file=on_servers)
    run(on_servers)
    assert "BROKEN" not in fan("doctor", settings_file=on_servers)
    fan("forget", "2", settings_file=on_servers)
    named = [name for name, content in objects(on_servers).items() if str(key).encode() in content]
    assert named == []
    assert files.read(path) is None
    assert "BROKEN" not in fan("doctor", settings_file=on_servers)


def test_a_second_machine_reads_what_the_first_published(on_servers, tmp_path, catalog, storage):
    run(on_servers)
    reader = Lake(tmp_path / "elsewhere", catalog=catalog, storage=storage, read_only=True)
    assert reader.query("SELECT count(*) AS n FROM pictures")["n"].to_pylist() == [4]
    reader.close()
