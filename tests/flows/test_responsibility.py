"""What is never drawn, or no longer shown."""

import pytest
from typer.testing import CliRunner

from flows.cli.program import app
from flows.settings import read_settings
from tests.fan_model.pipelines import strict_stable_diffusion
from tests.flows.nights import NIGHT, ask, run, sample_ratings, write_movielens, write_settings

pytestmark = pytest.mark.whole


def gallery_of(workspace):
    """All pages of the gallery."""
    return "".join(page.read_text() for page in (workspace / "gallery").glob("*.html"))


def test_a_user_who_opts_out_loses_pictures_files_and_place_in_the_gallery(published_file):
    workspace = read_settings(published_file).workspace
    ((image, key),) = ask(published_file, "SELECT image_path, user_key FROM artworks WHERE user_id = '2'")
    assert f"User {key}<" in gallery_of(workspace)
    said = CliRunner().invoke(app, ["opt-out", "2", "--settings", str(published_file)])
    assert "user 2 gets no personalized pictures" in said.output
    run(published_file)
    assert ask(published_file, "SELECT count(*) FROM artworks WHERE user_id = '2'") == [(0,)]
    assert ask(published_file, "SELECT count(*) FROM profiles WHERE user_id = '2'") == [(0,)]
    assert not (workspace / image).exists()
    assert "User " in gallery_of(workspace)
    assert str(key) not in gallery_of(workspace)
    for (path,) in ask(published_file, "SELECT image_path FROM artworks"):
        assert (workspace / path).exists()


STRICT_NIGHT = """
max_users = 2
[[sources]]
adapter = "movielens"
path = "logs"
[[sources]]
adapter = "catalogue"
path = "stock.csv"
columns = {item_id = "sku", title = "name", stock_image_uri = "picture"}
[texts]
reference_template = "{title} film poster"
target_template = "{title} film poster"
[targets]
method = "latest"
per_user = 1
[drawing]
num_inference_steps = 1
"""


def test_what_the_safety_checker_refuses_is_not_kept_and_the_stock_image_stands_in(tmp_path, monkeypatch):
    write_movielens(tmp_path / "logs", sample_ratings())
    stock = [f"{number},Film {number},https://stock.example/{number}.jpg" for number in range(1, 25)]
    (tmp_path / "stock.csv").write_text("\n".join(["sku,name,picture", *stock]) + "\n")
    strict_stable_diffusion().save_pretrained(tmp_path / "strict")
    monkeypatch.setenv("FAN_MODEL__PIPELINE", str(tmp_path / "strict"))
    monkeypatch.setenv("FAN_MODEL__NAME", "strict")
    settings_file = write_settings(tmp_path, STRICT_NIGHT)
    run(settings_file)
    rows = ask(settings_file, "SELECT status, image_path, plain_image_path, reason, item_id FROM artworks")
    workspace = read_settings(settings_file).workspace
    html = (workspace / "gallery" / "index.html").read_text()
    assert len(rows) == 2
    for status, path, plain, reason, item_id in rows:
        assert (status, path, plain) == ("flagged", None, None)
        assert "safety checker" in reason
        assert f'src="https://stock.example/{item_id}.jpg"' in html
    assert not list(workspace.glob("images/**/*.png"))


def test_a_word_that_is_blocked_later_takes_its_pictures_away(published_file):
    ((title, user),) = ask(
        published_file,
        "SELECT title, user_id FROM artworks JOIN items USING (item_id) ORDER BY user_id LIMIT 1",
    )
    (published_file.parent / "blocked.txt").write_text(title.rsplit(" (", 1)[0] + "\n")
    write_settings(published_file.parent, NIGHT + '[safety]\nblocklist = "blocked.txt"\n')
    night = run(published_file)
    assert night.counts["generate"]["flagged"] >= 1
    ((status, path, reason),) = ask(
        published_file, f"SELECT status, image_path, reason FROM artworks WHERE user_id = '{user}'"
    )
    assert (status, path) == ("flagged", None)
    assert "the text filter refused" in reason
