"""A past night over again gives the rows that the nightly gave then, whatever became known since."""

import pytest

from feature_store.lake.lake import Lake
from feature_store.upkeep.past_windows import UnknownRunError
from flows.commands.backfill import backfill
from flows.settings import read_settings
from flows.workspace import open_lake
from tests.flows.nights import NIGHT, run, sample_ratings, write_movielens, write_settings

pytestmark = pytest.mark.whole

ROWS = (
    "SELECT t.user_id, t.item_id, t.rank, p.* EXCLUDE (user_id, item_id, run_id, snapshot_id) "
    "FROM {targets} AS t LEFT JOIN {profiles} AS p USING (user_id, item_id) WHERE {condition} ORDER BY ALL"
)


def rows_of(lake, *, targets="targets", profiles="profiles", condition="true"):
    sql = ROWS.format(targets=targets, profiles=profiles, condition=condition)
    return lake.query(sql).to_pylist()


def test_a_backfill_gives_the_rows_of_then(settings_file):
    settings_file = write_settings(settings_file.parent, NIGHT.replace("max_users = 4", 'max_users = "all"'))
    settings, logs = read_settings(settings_file), settings_file.parent / "logs"
    lake, given = open_lake(settings), []
    late = [(2, 23, 5.0, 1_000_002_003), (3, 24, 4.5, 1_200_000_000)]
    for ratings in (sample_ratings(), [*sample_ratings(), *late]):
        # The second time a late event, and a film under another title.
        write_movielens(logs, ratings)
        if ratings[-1] in late:
            films = (logs / "movies.csv").read_text().replace("Iron Tide", "Iron Tide Revised")
            (logs / "movies.csv").write_text(films)
        run_id = run(settings_file).run_id
        given.append((run_id, rows_of(lake), rows_of(lake, condition=f"t.run_id = '{run_id}'")))
    (first, all_of_first, _), (second, _, changed_by_second) = given
    assert rows_of(lake) != all_of_first
    for run_id, expected in ((first, all_of_first), (second, changed_by_second)):
        folder, _ = backfill(settings, run_id)
        past = Lake(folder, read_only=True)
        assert rows_of(past) == expected
        past.close()
    with pytest.raises(UnknownRunError, match=f"no run 1999; the latest are {second}, {first}"):
        backfill(settings, "1999")
    lake.close()
