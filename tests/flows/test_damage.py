"""Bits that flip at rest: the doctor sees them, its remedies heal them, and no command falls over them."""

import os
import random
import shutil
from datetime import timedelta

import pytest
from mlflow.store.model_registry import sqlalchemy_store as registry_store
from mlflow.store.tracking import sqlalchemy_store as tracking_store

from feature_store.history.opt_outs import opt_out
from feature_store.tables.users import look_up_key
from flows.commands.doctor import examine
from flows.commands.forget import forget
from flows.commands.maintain import maintain
from flows.keeping.backup import BackupError, back_up, restore
from flows.keeping.kept_files import KINDS, kept_files, kind_of
from flows.keeping.sealing import DamagedLakeError, seal
from flows.night_lock import hold_night
from flows.settings import read_settings
from flows.workspace import open_lake
from tests.flows.nights import NIGHT, ask, run, sample_ratings, use_variables, write_movielens, write_settings
from tests.flows.programs import fan

pytestmark = pytest.mark.whole

SEED = 20
HEALED = [kind.folder for kind in KINDS if not kind.folder.startswith("reference_pictures/")][:8]
"""Kinds that every night has; where pictures act, see `own_pictures/test_image_nights.py`."""


@pytest.fixture(scope="module")
def model(tiny_pipeline):
    """With the registry in the workspace, where its files are kept."""
    return {"FAN_MODEL__PIPELINE": str(tiny_pipeline)}


@pytest.fixture(scope="module")
def whole(model, tmp_path_factory):
    """A published night's folder at `place`, with the backup of it in `backup`: tests restore its place."""
    folder = tmp_path_factory.mktemp("whole")
    write_movielens(folder / "place" / "logs", sample_ratings())
    settings_file = write_settings(folder / "place", NIGHT)
    with use_variables(model):
        run(settings_file)
        settings = read_settings(settings_file)
        # Small tables stand in the catalogue until upkeep writes them to Parquet files.
        maintain(settings, keep=timedelta(0))
        back_up(settings, folder / "backup")
    shutil.copytree(settings.workspace, folder / "pristine")
    return folder


@pytest.fixture
def settings_file(whole):
    """Settings of that night, as it was; MLflow's record names its place."""
    workspace = whole / "place" / "workspace"
    shutil.rmtree(workspace)
    shutil.copytree(whole / "pristine", workspace)
    let_go_of_mlflow()
    return whole / "place" / "fan.toml"


def let_go_of_mlflow():
    """Let MLflow, which is in this process all the time, open the file that lies at its place now."""
    for store in (tracking_store.SqlAlchemyStore, registry_store.SqlAlchemyStore):
        for engine in store._engine_map.values():
            engine.dispose()


def flip(path, chance):
    """Flip one bit of a file."""
    content = bytearray(path.read_bytes())
    if not content:
        content = bytearray(b"\0")
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    path.write_bytes(content)


def broken(settings):
    return [found for found in examine(settings, is_deep=True) if found.num_offenders and found.is_broken]


def files_by_kind(settings):
    by_kind = {}
    for path in sorted(kept_files(settings.workspace)):
        kind = kind_of(str(path.relative_to(settings.workspace)))
        by_kind.setdefault(kind.folder, []).append(path)
    return by_kind


def heal(settings_file, remedy, backup):
    """Do what a remedy says."""
    if "fan embed --rebuild" in remedy:
        from feature_store.vectors.reference_store import erase_store
        from flows.workspace import open_workspace

        settings = read_settings(settings_file)
        with hold_night(settings):
            erase_store(open_workspace(settings).references)
        run(settings_file, ("embed",))
    if "fan restore" in remedy:
        assert fan("restore", backup, "--settings", settings_file).status == 0
        let_go_of_mlflow()
    if "fan register" in remedy:
        assert fan("register", "--settings", settings_file).status == 0
    if "fan maintain" in remedy:
        assert fan("maintain", "--settings", settings_file).status == 0
    if "fan nightly" in remedy:
        run(settings_file)


def test_the_doctor_is_content_with_a_night_and_says_what_it_did_not_look_at(settings_file):
    for arguments, left_out in (((), "fan doctor --deep"), (("--deep",), "Prefect's record")):
        said = fan("doctor", *arguments, "--settings", settings_file)
        assert said.status == 0, said.out
        assert left_out in said.out.splitlines()[-1]
        assert "BROKEN" not in said.out
        assert "DUE" not in said.out


def test_reading_and_writing_commands_leave_every_checksum_right(settings_file):
    settings = read_settings(settings_file)
    for arguments in (["query", "FROM runs"], ["opt-out", "1"], ["maintain"], ["forget", "2"], ["register"]):
        assert fan(*arguments, "--settings", settings_file).status == 0, arguments
        assert [found.example or found.promise for found in broken(settings)] == [], arguments


@pytest.mark.parametrize("folder", HEALED)
def test_a_flipped_bit_is_found_and_the_remedy_that_is_named_heals_it(folder, settings_file, whole):
    settings, chance = read_settings(settings_file), random.Random(f"{SEED}{folder}")
    flip(chance.choice(files_by_kind(settings)[folder]), chance)
    remedies = [found.remedy for found in broken(settings)]
    assert remedies
    for remedy in remedies[:1]:
        heal(settings_file, remedy, whole / "backup")
    assert [found.promise for found in broken(settings)] == []


def test_no_command_goes_on_with_a_damaged_catalogue_or_rewrites_damaged_tables(settings_file):
    settings, chance = read_settings(settings_file), random.Random(SEED)
    (parquet, *_) = sorted((settings.workspace / "lake").rglob("*.parquet"))
    flip(parquet, chance)
    for arguments in (["maintain"], ["forget", "1"]):
        refused = fan(*arguments, "--settings", settings_file)
        assert refused.status == 1
        assert "is damaged" in refused.err
        assert "`fan restore BACKUP`" in refused.err
    flip(settings.workspace / "lake" / "catalog.sqlite", chance)
    with pytest.raises(DamagedLakeError, match=r"catalog.sqlite is damaged"):
        run(settings_file)


def test_an_empty_plain_twin_is_found_by_the_quick_look_and_drawn_again(settings_file):
    ((twin,), *_) = ask(
        settings_file, "SELECT plain_image_path FROM artworks WHERE plain_image_path IS NOT NULL"
    )
    path = settings_file.parent / "workspace" / twin
    drawn = path.read_bytes()
    path.write_bytes(b"")
    assert fan("doctor", "--settings", settings_file).status == 1
    heal(settings_file, "`fan maintain`, then `fan nightly`", None)
    assert path.read_bytes() == drawn
    assert fan("doctor", "--deep", "--settings", settings_file).status == 0


def test_a_damaged_inventory_is_said_so_and_begun_anew(settings_file):
    inventory = settings_file.parent / "workspace" / "checksums.sqlite"
    inventory.write_bytes(b"x" * 100)
    said = fan("doctor", "--deep", "--settings", settings_file)
    assert "BROKEN   the inventory of checksums is readable: 1 times; run `fan maintain`" in said.out
    heal(settings_file, "`fan maintain`", None)
    assert fan("doctor", "--deep", "--settings", settings_file).status == 0


def test_a_backup_is_refused_where_it_would_be_of_no_use(settings_file, whole, tmp_path):
    settings = read_settings(settings_file)
    with pytest.raises(BackupError, match="is not empty, or in the workspace"):
        back_up(settings, whole / "backup")
    with pytest.raises(BackupError, match="is no whole backup"):
        restore(settings, tmp_path)
    shutil.copytree(whole / "backup", tmp_path / "damaged")
    flip(next((tmp_path / "damaged" / "lake").rglob("*.parquet")), random.Random(SEED))
    with pytest.raises(BackupError, match="are damaged, for one lake/"):
        restore(settings, tmp_path / "damaged")
    flip(next((settings.workspace / "images").rglob("*.png")), random.Random(SEED))
    with pytest.raises(BackupError, match="the copy is not sound"):
        back_up(settings, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_restored_workspace_forgets_again_who_was_forgotten_since(settings_file, whole):
    settings = read_settings(settings_file)
    lake = open_lake(settings)
    opt_out(lake, "3")
    lake.close()
    seal(settings)
    forget(settings, "1")
    before, could_tell = restore(settings, whole / "backup")
    assert could_tell
    lake = open_lake(settings, read_only=True)
    assert look_up_key(lake, "1") is None
    assert lake.query("SELECT user_id FROM opt_outs")["user_id"].to_pylist() == ["3"]
    lake.close()
    assert broken(settings) == []
    shutil.rmtree(before)


EVERY_COMMAND = (
    ["query", "FROM artworks JOIN items USING (item_id) JOIN profiles USING (user_key)"],
    ["explain", "1", "1"],
    ["search", "1", "a western"],
    ["draw", "a western", "--user", "1", "--output", os.devnull],
    ["doctor", "--deep"],
    ["crowd"],
    ["opt-out", "1"],
    ["register"],
    ["maintain"],
    ["forget", "1"],
)


def try_commands(settings_file, commands):
    for arguments in commands:
        said = fan(*arguments, "--settings", settings_file)
        assert "Traceback" not in said.out + said.err, arguments
        if said.status and arguments[0] != "doctor":
            assert said.err.splitlines()[-1].startswith("fan: "), said.err


@pytest.mark.parametrize("folder", ["lake/", "references/", "mlflow/mlflow.db"])
def test_no_command_shows_a_traceback_on_a_damaged_file(folder, settings_file):
    chance = random.Random(folder)
    path = chance.choice(files_by_kind(read_settings(settings_file))[folder])
    path.write_bytes(chance.randbytes(200))
    try_commands(settings_file, [*EVERY_COMMAND[:2], ["doctor", "--deep"], ["doctor"], ["maintain"]])


@pytest.mark.slow
def test_of_two_hundred_flipped_bits_over_all_kinds_at_least_198_are_found(settings_file):
    settings, chance, found = read_settings(settings_file), random.Random(SEED), 0
    by_kind = files_by_kind(settings)
    for number in range(200):
        path = chance.choice(by_kind[sorted(by_kind)[number % len(by_kind)]])
        before = path.read_bytes()
        flip(path, chance)
        found += bool(broken(settings))
        path.write_bytes(before)
    assert found >= 198


@pytest.mark.slow
def test_no_command_shows_a_traceback_on_a_flipped_bit_anywhere(settings_file, whole):
    chance = random.Random(SEED)
    for folder in files_by_kind(read_settings(settings_file)):
        for arguments in EVERY_COMMAND:
            shutil.rmtree(settings_file.parent / "workspace")
            shutil.copytree(whole / "pristine", settings_file.parent / "workspace")
            flip(chance.choice(files_by_kind(read_settings(settings_file))[folder]), chance)
            try_commands(settings_file, [arguments])


def test_a_backup_is_made_while_a_night_holds_the_workspace(settings_file, tmp_path):
    settings = read_settings(settings_file)
    with hold_night(settings):
        assert back_up(settings, tmp_path / "copy") == len(list(kept_files(settings.workspace)))
    assert broken(settings.model_copy(update={"workspace": tmp_path / "copy"})) == []
