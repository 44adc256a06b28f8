"""The settings: one file, the environment on top, and nothing unknown in either."""

from pathlib import Path

import pytest

from flows.settings import SettingsError, read_settings

MINIMAL = '[[sources]]\nadapter = "movielens"\npath = "logs"\n'


def write(tmp_path, text=MINIMAL):
    file = tmp_path / "fan.toml"
    file.write_text(text)
    return file


def test_what_is_not_named_has_its_default(tmp_path):
    settings = read_settings(write(tmp_path))
    assert settings.max_users == 100
    assert settings.users_limit == 100
    assert settings.profile.fraction == 0.1
    assert settings.drawing.alpha == 0.3


def test_relative_paths_start_at_the_files_folder(tmp_path, monkeypatch):
    file = write(tmp_path)
    monkeypatch.chdir("/")
    settings = read_settings(file)
    assert settings.workspace == tmp_path / "workspace"
    assert settings.sources[0].path == tmp_path / "logs"


def test_the_environment_wins_over_the_file(tmp_path, monkeypatch):
    file = write(tmp_path, MINIMAL + "[drawing]\nalpha = 0.1\nnum_inference_steps = 7\n")
    monkeypatch.setenv("FAN_DRAWING__ALPHA", "0.8")
    monkeypatch.setenv("FAN_MAX_USERS", "all")
    settings = read_settings(file)
    assert settings.drawing.alpha == 0.8
    assert settings.drawing.num_inference_steps == 7
    assert settings.users_limit is None


def test_a_variable_names_the_settings_file(tmp_path, monkeypatch):
    monkeypatch.setenv("FAN_SETTINGS", str(write(tmp_path, "seed = 5\n" + MINIMAL)))
    assert read_settings().seed == 5


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("colour = 1\n" + MINIMAL, "colour: unknown key"),
        (MINIMAL + "[drawing]\nalfa = 1\n", "line 5, drawing.alfa: unknown key; did you mean alpha?"),
        (
            "max_users = -1\n" + MINIMAL,
            'line 1, max_users: holds -1, and must be above 0 or "all"',
        ),
        (
            MINIMAL + "[serving]\nlimits = {max_rws = 3}\n",
            "serving.limits.max_rws: unknown key; did you mean max_rows?",
        ),
        (MINIMAL.replace("path", "pth"), "line 1, sources.0.path: must be given"),
        (MINIMAL + "pth = 3\n", "movielens has no key pth; did you mean path?"),
        (MINIMAL + "[drawing]\nalpha = 1.5\n", "drawing.alpha: holds 1.5, and must be at most 1"),
        (MINIMAL + "speed = 3\n", "movielens has no key speed; its keys are path, source"),
        ("", "sources: name at least one [[sources]] table"),
        (
            '[[sources]]\nadapter = "magic"\npath = "x"\n',
            'sources.0.adapter: holds a text, and must be "movielens", ',
        ),
        (
            '[[sources]]\nadapter = "event_log"\npath = "x"\ncolumns = {user_id = "u"}\n',
            "line 1, sources.0: event_log: columns of event_log: item_id, event_time missing",
        ),
        ("max_users = 0\n" + MINIMAL, "max_users"),
        ("max_users = [\n", "is not TOML"),
    ],
)
def test_what_is_wrong_in_the_file_is_named(tmp_path, text, complaint):
    with pytest.raises(SettingsError, match="fan.toml") as refusal:
        read_settings(write(tmp_path, text))
    assert complaint in str(refusal.value)


def test_an_unknown_variable_is_refused_with_the_known_ones(tmp_path, monkeypatch):
    monkeypatch.setenv("FAN_DRAWNG__ALPHA", "0.5")
    with pytest.raises(SettingsError, match="FAN_DRAWNG__ALPHA names no setting: use one of .*FAN_DRAWING"):
        read_settings(write(tmp_path))


def test_an_unknown_key_in_a_known_section_of_the_environment_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("FAN_DRAWING__ALFA", "0.5")
    with pytest.raises(SettingsError, match=r"drawing.alfa: unknown key"):
        read_settings(write(tmp_path))


def test_a_missing_file_says_how_to_name_one(tmp_path):
    with pytest.raises(SettingsError, match="name it with --settings or FAN_SETTINGS"):
        read_settings(tmp_path / "none.toml")


def test_the_shipped_settings_are_valid_and_draw_for_a_hundred_users():
    settings = read_settings(Path(__file__).parents[2] / "fan.toml")
    assert settings.max_users == 100
    assert settings.sources[0].path.name == "ml-latest-small"


LOG = '[[sources]]\nadapter = "event_log"\npath = "x"\n'
COLUMNS = 'columns = {user_id = "u", item_id = "i", event_time = "t"}\n'


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('max_users = "many"\n' + MINIMAL, 'max_users: holds a text, and must be a whole number or "all"'),
        ("max_users = true\n" + MINIMAL, "line 1, max_users: holds true, and must be a number"),
        (MINIMAL + "[drawing]\nalpha = false\n", "line 5, drawing.alpha: holds false, and must be a number"),
        (MINIMAL + "[drawing]\nskip_layers = [true]\n", "skip_layers.0: holds true, and must be a number"),
        ("shared = 1\n" + MINIMAL, "line 1, shared: holds 1, and must be true or false"),
        ('shared = "maybe"\n' + MINIMAL, "shared: holds a text, and must be true or false"),
        ("seed = 1979-05-27\n" + MINIMAL, "seed: holds 1979-05-27, and must be a whole number"),
        ("workspace = [1]\n" + MINIMAL, "workspace: holds a list, and must be a path in quotes"),
        ("drawing = 5\n" + MINIMAL, "drawing: holds 5, and must be a table"),
        ("ray_gpus = -1\n" + MINIMAL, "ray_gpus: holds -1, and must be at least 0"),
        ('storage = "gs://x"\n' + MINIMAL, "storage: must be an object store and a place in it, as s3://"),
        (MINIMAL + '[drawing]\nskip_layers = ["a"]\n', "skip_layers.0: holds a text, and must be a whole"),
        (MINIMAL + "[drawing]\nskip_layers = 5\n", "skip_layers: holds 5, and must be a list, in square"),
        (
            MINIMAL + "[texts]\ntarget_template = {a = 1}\n",
            "target_template: holds a table, and must be a text",
        ),
        (MINIMAL + "[model]\nadapters = 5\n", "line 5, model.adapters: holds 5, and must be a list"),
        (
            MINIMAL + "[[gallery]]\nmax_users = 5\n",
            "gallery: is a list, and must be one table: write [gallery], with",
        ),
        (
            MINIMAL + '[model.adapters]\npath = "x"\n',
            "must be a list of tables: write [[model.adapters]], with",
        ),
        (
            MINIMAL.replace("[[sources]]", "[sources]"),
            "must be a list of tables: write [[sources]], with two",
        ),
        (
            MINIMAL.replace("[[sources]]", "[sources]") * 2,
            "Write [[sources]], with two brackets, before each",
        ),
        ("sources = 5\n", "line 1, sources: name at least one [[sources]] table"),
        ('sources = ["x"]\n', "sources.0: holds a text, and must be a table"),
        (LOG + 'columns = "u"\n', "event_log.columns: holds a text, and must be a table, as {name = value}"),
        (
            LOG + "columns = {user_id = 1}\n",
            "event_log.columns.user_id: holds 1, and must be a text in quotes",
        ),
        (LOG, "event_log.columns: must be given"),
        (
            LOG + COLUMNS + 'earliest = "soon"\n',
            "event_log.earliest: holds a text, and must be a day, as 2024",
        ),
        (
            LOG + COLUMNS + "kinds = {view = true}\n",
            "event_log.kinds.view: holds true, and must be a number",
        ),
        (
            MINIMAL + "[profile]\nmin_references = 30\n",
            "profile: min_references = 30 is above max_references = 20: change one of them",
        ),
        (
            LOG + COLUMNS + 'kinds = {view = "x"}\n',
            "event_log.kinds.view: holds a text, and must be a number",
        ),
        (
            LOG + COLUMNS + 'skip = "x"\nhive = 5\n',
            "skip: holds a text, and must be a whole number; event_log.hive",
        ),
        (
            LOG + COLUMNS + 'identity = "all"\n',
            'identity: holds a text, and must be a list, in square brackets or "none"',
        ),
    ],
)
def test_what_a_setting_of_a_wrong_type_holds_and_must_be_is_said_in_words(tmp_path, text, complaint):
    with pytest.raises(SettingsError, match=r"fan\.toml") as refusal:
        read_settings(write(tmp_path, text))
    assert complaint in str(refusal.value)
    assert "Input should" not in str(refusal.value)


def test_a_variable_of_a_wrong_type_is_told_as_what_the_file_may_hold(tmp_path, monkeypatch):
    monkeypatch.setenv("FAN_DRAWING__ALPHA", "quite a lot")
    with pytest.raises(SettingsError, match=r"drawing\.alpha: holds a text, and must be a number") as refusal:
        read_settings(write(tmp_path))
    assert "quite a lot" not in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "setting"),
    [
        ('[[sources]]\nadapter = "movielens"\npath = ""\n', "line 3, sources.0.path: is empty"),
        ('[[sources]]\nadapter = "movielens"\npath = "  "\n', "line 3, sources.0.path: is empty"),
        (MINIMAL + 'source = ""\n', "sources.0: source is empty"),
        ('workspace = ""\n' + MINIMAL, "line 1, workspace: is empty"),
        ('catalog = ""\n' + MINIMAL, "line 1, catalog: is empty"),
        (MINIMAL + '[search]\nclip = ""\n', "line 5, search.clip: is empty"),
        (MINIMAL + '[model]\nname = ""\n', "line 5, model.name: is empty"),
        (MINIMAL + '[safety]\nblocklist = ""\n', "line 5, safety.blocklist: is empty"),
        (MINIMAL + '[describe]\nmodel = ""\n', "line 5, describe.model: is empty"),
        (MINIMAL + '[images]\npath = ""\n', "line 5, images.path: is empty"),
        (MINIMAL + '[evaluation]\nrewriter = {model = ""}\n', "line 5, evaluation.rewriter.model: is empty"),
        (MINIMAL + '[pictures]\nallowed = [""]\n', "pictures.allowed.0: a place is empty"),
    ],
)
def test_a_text_with_nothing_in_it_is_refused_for_it_would_mean_the_folder_of_the_settings(
    tmp_path, text, setting
):
    with pytest.raises(
        SettingsError, match="is empty: (fill it in|name a folder), or leave it out"
    ) as refusal:
        read_settings(write(tmp_path, text))
    assert setting in str(refusal.value)


@pytest.mark.parametrize("latest", ["2019-12-31", "2020-01-01"])
def test_days_between_which_no_event_can_be_are_refused(tmp_path, latest):
    text = LOG + COLUMNS + f"earliest = 2020-01-01\nlatest = {latest}\n"
    with pytest.raises(
        SettingsError, match=f"latest = {latest} is not after earliest = 2020-01-01, so every"
    ):
        read_settings(write(tmp_path, text))


@pytest.mark.parametrize(
    "address", ["s3://bucket/logs", "file:///data/logs", "file:/data/logs", "S3://bucket"]
)
def test_an_address_is_not_taken_for_a_path_beside_the_settings(tmp_path, address):
    settings = read_settings(write(tmp_path, MINIMAL.replace("logs", address)))
    assert settings.sources[0].path == Path(address)
