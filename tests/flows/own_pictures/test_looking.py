"""Looking at items' own pictures: what is refused has its reason, and nothing else is kept back by it."""

from PIL import Image

from flows.own_pictures.looking import NO_PICTURE, look_at
from recsys_adapters.pictures.picture_rules import PictureRules
from tests.flows.poster_shop import write_bomb


def test_what_is_refused_is_a_row_with_its_reason_and_the_others_are_kept_once_each(tmp_path):
    Image.new("RGB", (48, 64), "navy").save(tmp_path / "good.png")
    write_bomb(tmp_path / "bomb.png")
    (tmp_path / "broken.png").write_bytes((tmp_path / "good.png").read_bytes()[:60])
    (tmp_path / "text.png").write_text("no picture")
    items = {
        "one": "good.png",
        "same": "good.png",
        "bomb": "bomb.png",
        "broken": "broken.png",
        "text": "text.png",
        "lost": "lost.png",
        "outside": "/etc/hostname",
        "elsewhere": "https://elsewhere.example/good.png",
        "bare": None,
    }
    kept = []
    rows = look_at(PictureRules(allowed=(str(tmp_path),)), [*items.items()], kept.extend)
    assert [(row.item_id, row.stock_image_uri) for row in rows] == [*items.items()]
    reasons = {row.item_id: row.reason for row in rows}
    assert reasons == {
        "one": None,
        "same": None,
        "bomb": "of more pixels than pictures.max_pixels or pictures.max_side",
        "broken": "broken or cut off",
        "text": "no PNG, JPEG, WebP, GIF or AVIF",
        "lost": "not there",
        "outside": "in no place that pictures.allowed names",
        "elsewhere": "in no place that pictures.allowed names",
        "bare": NO_PICTURE,
    }
    assert [(row.picture_sha256 is None) for row in rows] == [row.reason is not None for row in rows]
    assert [one.sha256 for one in kept] == [rows[0].picture_sha256]


def test_where_nothing_is_allowed_nothing_is_read(tmp_path):
    Image.new("RGB", (48, 64), "navy").save(tmp_path / "good.png")
    kept = []
    (row,) = look_at(PictureRules(), [("one", str(tmp_path / "good.png"))], kept.extend)
    assert (row.picture_sha256, row.reason) == (None, "in no place that pictures.allowed names")
    assert kept == []
