"""One item in many users' tastes: which items, in which order, and what is said of each picture."""

import html
import re
from dataclasses import replace
from itertools import count

import pytest

from feature_store.tables.published import PublishedPicture, PublishedReference
from flows.gallery.gallery_pages import choose_items
from flows.questions.explain import explain
from flows.settings import Gallery, read_settings
from flows.workspace import open_lake
from tests.flows.nights import NIGHT, ask, run, sample_ratings, write_movielens, write_settings

pytestmark = pytest.mark.whole

WANTED_BY_ALL = 7
REFERENCE = PublishedReference(
    user_key=1, item_id="7", reference_item_id="8", reference_id=8, title="Iron Tide",
    reference_text="Iron Tide", relevance=1.0, weight=1.0, share=1.0, origin="history",
    history_size=1, as_of=None,
)  # fmt: skip
_keys = count()


def picture(item_id, visible_change, *, references=(REFERENCE,), image_path="images/a.webp"):
    return PublishedPicture(
        user_key=next(_keys), item_id=item_id, title=item_id, target_text=item_id, rank=1,
        image_path=image_path, plain_image_path="images/b.webp", visible_change=visible_change,
        status="generated", reason=None, alpha=0.4, contrast=None, tokens_cut=0,
        seed=1, num_references=1, artwork_digest="a", model_version="1", run_id="run",
        stock_image_uri=None, references=references,
    )  # fmt: skip


def changes(item):
    return [shown.visible_change for shown in item.pictures]


def test_the_most_visibly_different_pictures_of_an_item_come_first_and_only_so_many():
    pictures = [picture("a", change) for change in (1.0, 9.0, 4.0)]
    (item,) = choose_items(pictures, Gallery(users_per_item=2))
    assert changes(item) == [9.0, 4.0]
    assert item.visible_change == 6.5


def test_items_of_more_users_come_first_then_those_that_differ_more():
    pictures = [picture(name, change) for name, change in zip("aabbccc", (1, 1, 5, 5, 0, 0, 0), strict=True)]
    chosen = choose_items(pictures, Gallery())
    assert [item.first.item_id for item in chosen] == ["c", "b", "a"]
    assert [item.first.item_id for item in choose_items(pictures, Gallery(max_items=1))] == ["c"]


@pytest.mark.parametrize("other", [{"references": ()}, {"image_path": None}])
def test_an_item_with_one_personal_picture_has_nothing_to_be_compared_with(other):
    assert choose_items([picture("a", 1.0), picture("a", None, **other)], Gallery()) == []


def test_a_picture_without_a_plain_twin_comes_last():
    (item,) = choose_items([picture("a", None), picture("a", 0.5)], Gallery())
    assert changes(item) == [0.5, None]


@pytest.fixture(scope="module")
def shared_item(model, tmp_path_factory):
    """Settings of a published night in which every user gets a picture of the same film."""
    folder = tmp_path_factory.mktemp("shared")
    wanted = [(user, WANTED_BY_ALL, 5.0, 1_100_000_000 + user) for user in range(1, 6)]
    seen = [row for row in sample_ratings() if row[1] != WANTED_BY_ALL]
    write_movielens(folder / "logs", seen + wanted)
    settings_file = write_settings(
        folder, NIGHT + "[crowd]\nleast_users = 2\n[profile]\nmin_references = 4\n"
    )
    run(settings_file)
    return settings_file


def test_the_page_of_items_shows_plain_and_personal_pictures_side_by_side(shared_item):
    page = (shared_item.parent / "workspace" / "gallery" / "items.html").read_text()
    rows = ask(shared_item, "SELECT image_path, plain_image_path FROM artworks ORDER BY visible_change DESC")
    assert len(rows) == 4
    (plain,) = {plain for _, plain in rows}
    assert re.findall(r'src="\.\./([^"]+)"', page) == [plain, *(path for path, _ in rows)]


def test_each_picture_says_what_its_references_have_more_of(shared_item):
    folder = shared_item.parent / "workspace" / "gallery"
    captions = re.findall(r"<figcaption>((?:more|less) [^<]*)<br>", (folder / "items.html").read_text())
    assert len(captions) == 4
    users = (folder / "index.html").read_text()
    assert all(f'<p class="words">{caption}</p>' in users for caption in captions)


def test_the_views_lead_to_each_other(shared_item):
    folder = shared_item.parent / "workspace" / "gallery"
    views = {"index.html", "items.html", "blind.html"}
    for view in views:
        assert set(re.findall(r'href="(\w+\.html)"', (folder / view).read_text())) == views - {view}


def test_the_blind_page_shows_the_pictures_and_says_of_none_whose_it_is(shared_item):
    folder = shared_item.parent / "workspace" / "gallery"
    page, items = (folder / "blind.html").read_text(), (folder / "items.html").read_text()
    shown = re.findall(r'src="\.\./([^"]+)" alt="picture [A-F]"', page)
    tastes = re.findall(r"<li><b>\d</b> <span>([^<]+)</span>", page)
    answers = re.findall(r"([A-F]) is (\d)", page)
    assert len(shown) == len(tastes) == len(answers) >= 2
    for path, (_, number) in zip(shown, answers, strict=True):
        caption = re.search(rf'src="\.\./{re.escape(path)}".*?<figcaption>([^<]*)<br>', items, re.DOTALL)[1]
        assert caption == tastes[int(number) - 1]
    assert not re.search(r"user \d", page)


def test_an_explanation_says_the_same_words_as_the_gallery_and_those_of_the_whole_taste(shared_item):
    settings = read_settings(shared_item)
    lake = open_lake(settings, read_only=True)
    words = explain(settings, lake, "2", str(WANTED_BY_ALL))
    apart = settings.model_copy(update={"profile": replace(settings.profile, distinctive=True)})
    told = [explain(one, lake, "2", str(WANTED_BY_ALL)) for one in (settings, apart)]
    assert ["unlike what everybody likes" in text for text in told] == [False, True]
    lake.close()
    assert re.search(r"^Compared with everybody, this user likes (more|less) \S", words, re.MULTILINE)
    said = re.search(r"^Compared with everybody, the references .* stand for (.*)\.$", words, re.MULTILINE)[1]
    page = (settings.workspace / "gallery" / "items.html").read_text()
    assert any(html.unescape(caption) in said for caption in re.findall(r"<figcaption>([^<]*)<br>", page))


def test_the_visible_change_of_every_pair_of_pictures_is_stored(shared_item):
    changes = [change for (change,) in ask(shared_item, "SELECT visible_change FROM artworks")]
    assert len(changes) == 4
    assert all(0 < change < 100 for change in changes)
