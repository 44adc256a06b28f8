"""Tasks under Prefect: in order, retried where that may help, and told without a word of what they hold."""

import time
from functools import partial

import pytest
from prefect import flow

from flows.schedule.prefect_tasks import PrefectTasks, tell_kind

pytestmark = [pytest.mark.usefixtures("prefect_server"), pytest.mark.whole]

USER = "leaver-4711"


def in_a_flow(call, name="test"):
    return flow(call, name=name, persist_result=False)()


@pytest.mark.parametrize("whole_machine", [True, False])
def test_a_task_runs_for_each_item_and_the_order_stays(whole_machine):
    def square_all():
        made = PrefectTasks().map("square", lambda number: number**2, range(5), whole_machine=whole_machine)
        return list(made)

    assert in_a_flow(square_all) == [0, 1, 4, 9, 16]


def test_what_may_go_away_by_itself_is_tried_again():
    left = [ConnectionError("the network drops")]

    def fail_once():
        if left:
            raise left.pop()
        return "done"

    assert in_a_flow(lambda: PrefectTasks().run("once", fail_once)) == "done"


def test_an_error_that_stays_is_raised_as_it_is_after_one_try():
    tries = []

    def fail(item):
        tries.append(item)
        raise ValueError(f"no such {item}")

    with pytest.raises(ValueError, match="^no such thing$"):
        in_a_flow(lambda: list(PrefectTasks().map("fail", fail, ["thing"])))
    with pytest.raises(ValueError, match="^no such picture$"):
        in_a_flow(lambda: list(PrefectTasks().map("fail", fail, ["picture"], whole_machine=True)))
    assert tries == ["thing", "picture"]


def test_prefect_stores_neither_the_message_nor_the_settings_nor_the_result_of_a_task(prefect_database):
    def read(file, item):
        if item:
            raise ValueError(f"cannot read {file}")
        return file

    def names_a_user():
        tasks = PrefectTasks()
        tasks.run("reads", partial(read, USER, False))
        made = tasks.map("cannot-read", partial(read, USER), [True], whole_machine=True)
        tell_kind(partial(next, made))

    with pytest.raises(RuntimeError, match="^ValueError$"):
        in_a_flow(names_a_user, name="names-a-user")
    stored = stored_in(prefect_database, b"Task run encountered an exception StoppedError: ValueError")
    assert b"names-a-user" in stored
    assert USER.encode() not in stored


def stored_in(database, awaited):
    """All bytes of Prefect's database, once it has what is awaited: what tasks do is stored a bit later."""
    deadline = time.monotonic() + 60
    while True:
        stored = b"".join(file.read_bytes() for file in database.parent.glob(f"{database.name}*"))
        if awaited in stored:
            return stored
        assert time.monotonic() < deadline
        time.sleep(0.2)
