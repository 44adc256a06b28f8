"""A user who leaves is gone, with what only they had; nobody else loses anything."""

from dataclasses import replace

import pytest

from feature_store.intake import staged_batches
from feature_store.lake.lake import Lake
from feature_store.lake.stored_files import FolderFiles
from feature_store.tables.crowds import CrowdRow, add_crowd
from feature_store.tables.notes import Note, append_note, read_notes
from feature_store.tables.runs import open_run
from feature_store.tables.users import UnknownUserError, find_key
from feature_store.upkeep.checks import check_forgetting, check_tables
from feature_store.upkeep.erasure import erase_user
from feature_store.upkeep.maintenance import (
    delete_unreferenced_images,
    delete_unreferenced_vectors,
    purge_lake,
)
from feature_store.vectors.reference_store import open_as_it_is
from recsys_adapters.sources.prompt_histories import PromptHistories
from tests.feature_store.logs import (
    DAY,
    append_file,
    ask,
    hours,
    take_in_events,
    take_in_items,
    take_in_targets,
)
from tests.feature_store.nights import finish_night

pytestmark = pytest.mark.whole

LEAVER, STAYER = "leaver-4711", "stayer"
EVENTS = [
    ("e1", LEAVER, "shared", hours(1), 5.0),
    ("e2", LEAVER, "secret", hours(2), 4.0),
    ("e5", LEAVER, "public", hours(2), 4.0),
    ("e3", STAYER, "shared", hours(3), 3.0),
    ("e4", STAYER, "other", hours(3), 3.0),
]
TITLES = {"shared": "A Shared Title", "public": "Met By One", "other": "Other", "goal": "The Goal"}


def fill(lake, folder):
    """Two users' night, published; then corrections and refused rows, in a night that is still going on."""
    take_in_items(lake, folder, TITLES)
    take_in_prompts(lake, folder, f'{{"prompt": "My Secret Diary", "id": "secret", "user_id": "{LEAVER}"}}\n')
    take_in_events(lake, folder, EVENTS, name=LEAVER)
    take_in_targets(lake, folder, [(LEAVER, "goal", 1), (STAYER, "goal", 1)])
    finish_night(lake, folder)
    take_in_events(
        lake,
        folder,
        [("e2", LEAVER, "secret", hours(2), 1.0), ("e9", LEAVER, "shared", "never", 1.0)],
        name="later",
    )


def take_in_prompts(lake, folder, lines):
    """Append a file of prompts that is named after the leaver."""
    file = folder / "histories" / f"{LEAVER}.jsonl"
    file.parent.mkdir()
    file.write_text(lines)
    for offered in PromptHistories(path=file.parent).files():
        append_file(lake, offered, open_run(lake))


def everything(folder):
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def forget(lake, folder, user_id):
    num_rows = erase_user(lake, find_key(lake, user_id))
    delete_unreferenced_vectors(lake, open_as_it_is(folder / "references"))
    delete_unreferenced_images(lake, FolderFiles(folder))
    purge_lake(lake)
    return num_rows


@pytest.mark.whole
@pytest.mark.parametrize("large_file", [1, staged_batches.LARGE_FILE], ids=["taken over", "inserted"])
def test_no_byte_of_the_workspace_tells_of_a_forgotten_user_or_of_a_text_only_they_had(
    large_file, lake, tmp_path, monkeypatch
):
    monkeypatch.setattr(staged_batches, "LARGE_FILE", large_file)
    fill(lake, tmp_path)
    workspace = [tmp_path / name for name in ("lake", "references", "images")]
    before = b"".join(everything(folder) for folder in workspace)
    assert LEAVER.encode() in before
    assert b"My Secret Diary" in before
    forget(lake, tmp_path, LEAVER)
    for state in ("while it is open", "after it was closed"):
        after = b"".join(everything(folder) for folder in workspace)
        assert LEAVER.encode() not in after, state
        assert b"My Secret Diary" not in after, state
        assert b"A Shared Title" in after, state
        lake.close()


@pytest.mark.whole
def test_an_event_that_is_named_after_the_leaver_but_was_given_to_another_gets_another_name(lake, tmp_path):
    event = (f"{LEAVER}:1", LEAVER, "shared", hours(1), 5.0)
    given = [(event[0], STAYER, *event[2:4], weight) for weight in (4.0, 3.0)]
    for number, row in enumerate([event, *given]):
        take_in_events(lake, tmp_path, [row], name=f"log-{number}")
    assert LEAVER.encode() in everything(tmp_path / "lake")
    erase_user(lake, find_key(lake, LEAVER))
    purge_lake(lake)
    assert LEAVER.encode() not in everything(tmp_path / "lake")
    kept = "SELECT user_id, weight, interaction_id[:2] FROM {}"
    assert ask(lake, kept.format("interactions")) == [(STAYER, 3.0, "##")]
    assert ask(lake, kept.format("superseded_interactions")) == [(STAYER, 4.0, "##")]
    assert broken(lake) == []


def test_a_list_of_before_no_longer_names_an_item_that_only_they_had(published, tmp_path):
    take_in_targets(published, tmp_path, [(STAYER, "secret", 1)], name="a moment ago")
    take_in_targets(published, tmp_path, [(STAYER, "goal", 1), (STAYER, "other", 2)], name="now")
    forget(published, tmp_path, LEAVER)
    listed = "SELECT DISTINCT user_id, item_id FROM target_lists ORDER BY ALL"
    assert ask(published, listed) == [(STAYER, "goal"), (STAYER, "other")]


def test_what_was_said_of_a_picture_that_only_they_had_is_gone(published, tmp_path):
    said = "INSERT INTO descriptions VALUES (?, 'a.png', 'sha', 'describer', 'teal', NULL, now())"
    seen = "INSERT INTO start_pictures VALUES (?, 'a.png', 'sha', NULL, now())"
    for item in ("secret", "shared"):
        for insert in (said, seen):
            published.write(lambda connection, told=(insert, [item]): connection.execute(*told), "look")
    forget(published, tmp_path, LEAVER)
    assert ask(published, "SELECT item_id FROM descriptions") == [("shared",)]
    assert ask(published, "SELECT item_id FROM start_pictures") == [("shared",)]


def test_vectors_and_pictures_that_only_they_had_are_gone_and_shared_ones_stay(published, tmp_path):
    (secret,) = ask(published, "SELECT reference_id FROM items WHERE item_id = 'secret'")
    (shared,) = ask(published, "SELECT reference_id FROM items WHERE item_id = 'shared'")
    forget(published, tmp_path, LEAVER)
    store = open_as_it_is(tmp_path / "references")
    assert store.missing([secret[0], shared[0]]).tolist() == [secret[0]]
    pictures = ask(published, "SELECT image_path FROM artworks")
    assert {(str(path.relative_to(tmp_path)),) for path in tmp_path.glob("images/*/*")} == set(pictures)


@pytest.mark.whole
def test_a_crowd_with_a_text_that_only_they_had_goes_whole_and_others_stay(published, tmp_path):
    ids = dict(ask(published, "SELECT reference_text, reference_id FROM items"))
    own = next(text for text in ids if "Secret" in text)
    shared = next(text for text in ids if "Shared" in text)
    row = CrowdRow(
        crowd_id="shared", position=1, reference_id=ids[shared], text=shared, weight=1.0, num_users=5,
        as_of=DAY, recipe_digest="r", run_id="n1", snapshot_id=1,
    )  # fmt: skip
    of_both = replace(row, crowd_id="both", weight=0.5)
    add_crowd(published, [row])
    add_crowd(published, [replace(row, crowd_id="of a title before", reference_id=7, text="A Title Before")])
    add_crowd(published, [of_both, replace(of_both, position=2, reference_id=ids[own], text=own)])
    forget(published, tmp_path, LEAVER)
    assert ask(published, "SELECT crowd_id, text FROM crowds ORDER BY crowd_id") == [
        ("of a title before", "A Title Before"), ("shared", shared)
    ]  # fmt: skip


def test_readers_still_see_the_others_as_published_and_the_open_night_goes_on(published, tmp_path):
    rows = (
        "SELECT item_id, position, reference_item_id, profile_digest FROM profiles WHERE user_id = 'stayer'"
    )
    before = ask(published, rows)
    forget(published, tmp_path, LEAVER)
    assert before
    assert ask(published, rows) == before
    assert ask(published, "SELECT DISTINCT user_id FROM targets") == [(STAYER,)]
    take_in_events(published, tmp_path, [("e7", STAYER, "other", hours(5), 1.0)], name="next")
    assert ask(published, rows) == before
    finish_night(published, tmp_path)
    assert ask(published, "SELECT count(*) FROM profiles") == [(2,)]
    assert "night.published_profiles" not in published.relations()


def test_forgetting_twice_and_forgetting_a_stranger_change_nothing_more(published, tmp_path):
    assert forget(published, tmp_path, LEAVER) > 0
    counts = "SELECT (SELECT count(*) FROM interactions), (SELECT count(*) FROM artworks)"
    before = ask(published, counts)
    for stranger in (LEAVER, "nobody", ""):
        with pytest.raises(UnknownUserError, match=f"user {stranger} is unknown"):
            forget(published, tmp_path, stranger)
    assert ask(published, counts) == before


def test_a_file_they_are_in_is_not_taken_in_again(published, tmp_path):
    forget(published, tmp_path, LEAVER)
    assert take_in_events(published, tmp_path, EVENTS, name=LEAVER) is None
    assert ask(published, "SELECT count(*) FROM interactions WHERE user_id <> 'stayer'") == [(0,)]


@pytest.mark.whole
def test_a_reference_that_others_got_from_the_leaver_is_taken_out_of_their_profiles(published, tmp_path):
    published.write(
        lambda connection: connection.execute(
            "UPDATE night.profiles SET origin = 'neighbours', reference_item_id = 'secret' "
            "WHERE user_key = ? AND position = 1",
            [find_key(published, STAYER)],
        ),
        "as if it were a neighbour",
    )
    forget(published, tmp_path, LEAVER)
    assert ask(published, "SELECT count(*) FROM night.profiles") == [(0,)]
    assert ask(published, "SELECT count(*) FROM night.artworks") == [(0,)]
    finish_night(published, tmp_path)
    found = ask(published, "SELECT user_id, reference_item_id FROM profiles ORDER BY ALL")
    assert found == [(STAYER, "other"), (STAYER, "shared")]


def test_ids_with_the_signs_of_patterns_are_taken_literally(lake, tmp_path):
    odd = r"a.*\E|b"
    broken = [("e1", odd, "i1", "never", 1.0), ("e2", "a.x", "i1", "never", 1.0)]
    take_in_events(lake, tmp_path, broken)
    erase_user(lake, find_key(lake, odd))
    assert ask(lake, "SELECT raw IS NULL FROM rejected_rows ORDER BY line") == [(True,), (False,)]


def test_the_ledger_counts_as_if_their_rows_had_never_been_there(published, tmp_path):
    assert broken(published) == []
    forget(published, tmp_path, LEAVER)
    assert broken(published) == []
    assert ask(published, "SELECT min(rows_read), sum(accepted) FROM ingested_files") == [(0, 8)]


def broken(lake):
    return [finding.promise for finding in check_tables(lake) if finding.num_offenders]


def test_a_forgetting_that_was_stopped_is_known_until_it_is_finished(published, tmp_path):
    erase_user(published, find_key(published, LEAVER))
    assert check_forgetting(published).num_offenders == 1
    purge_lake(published)
    assert check_forgetting(published).num_offenders == 0


@pytest.mark.whole
def test_a_file_of_the_leavers_own_is_theirs_even_where_it_does_not_name_them(lake, tmp_path):
    nameless = '{"prompt": "a diary of mine", "id": "p1"}\n{"prompt": "half a diary\n'
    lines = nameless + f'{{"prompt": "a diary, too", "id": "p2", "user_id": "{LEAVER}"}}\n'
    take_in_prompts(lake, tmp_path, lines)
    assert ask(lake, "SELECT count(*) FROM items") == [(2,)]
    erase_user(lake, find_key(lake, LEAVER))
    assert ask(lake, "SELECT count(*) FROM items") == [(0,)]
    assert ask(lake, "SELECT DISTINCT raw, user_key FROM rejected_rows") == [(None, None)]
    assert ask(lake, f"SELECT count(*) FROM rejected_rows WHERE contains(file, '{LEAVER}')") == [(0,)]
    assert broken(lake) == []


def test_a_lake_opened_anew_after_forgetting_keeps_what_is_published(published, tmp_path):
    forget(published, tmp_path, LEAVER)
    published.close()
    reopened = Lake(tmp_path / "lake")
    assert ask(reopened, "SELECT count(*) FROM profiles") == [(2,)]
    reopened.close()


def test_what_was_said_of_a_folder_that_is_named_after_them_goes_and_of_others_stays(lake, tmp_path):
    leaver = "ann b/c"
    take_in_events(lake, tmp_path, [("e1", leaver, "i1", hours(1), 5.0)])
    run = open_run(lake)
    for name in ("user=ann%20b%2Fc/p.csv", "user=ann/p.csv"):
        note = Note(severity="fault", source="event_log", message=f"{name} cannot be read", file=name)
        append_note(lake, run.run_id, note)
    erase_user(lake, find_key(lake, leaver))
    assert [note.file for note in read_notes(lake, run.run_id)] == ["user=ann/p.csv"]
