"""Quick pictures in the breaks of a long one."""

import threading
import time

from fan_model.encoders.breaks import take_break
from fan_model.service.overtaking import NobodyWaitsError, Overtaking


def _in_thread(work, *arguments):
    outcome = []
    thread = threading.Thread(target=lambda: outcome.append(work(*arguments)))
    thread.start()
    return thread, outcome


def _always():
    return True


class Log:
    """What happened in its order, and somebody who overtakes from the first break on."""

    def __init__(self, overtaking):
        self.overtaking, self.lines = overtaking, []
        self.began = threading.Event()

    def draw_slowly(self):
        self.lines.append("slow begins")
        self.began.set()
        while self.overtaking._is_free.is_set():
            time.sleep(0.001)
        take_break()
        self.lines.append("slow ends")
        return "slow"

    def draw_quickly(self):
        self.lines.append("quick")
        return "quick"

    def overtake(self):
        self.began.wait(10)
        return self.overtaking.overtake(self.draw_quickly)


def test_who_overtakes_draws_in_the_next_break():
    overtaking = Overtaking()
    log = Log(overtaking)
    slow, slowly = _in_thread(overtaking.draw, log.draw_slowly, _always)
    quick, quickly = _in_thread(log.overtake)
    slow.join(10)
    quick.join(10)
    assert log.lines == ["slow begins", "quick", "slow ends"]
    assert (slowly[0].drawn, quickly[0].drawn) == ("slow", "quick")


def test_where_nobody_overtakes_drawing_goes_on_after_each_break():
    timed = Overtaking().draw(lambda: [take_break() for _ in range(3)], _always)
    assert timed.drawn == [None] * 3


def test_the_time_of_a_break_is_not_counted():
    overtaking = Overtaking()
    log = Log(overtaking)
    pause = threading.Event()
    log.draw_quickly = lambda: pause.wait(1.0)
    slow, slowly = _in_thread(overtaking.draw, log.draw_slowly, _always)
    quick, quickly = _in_thread(log.overtake)
    slow.join(10)
    quick.join(10)
    assert quickly[0].seconds >= 1.0 > slowly[0].seconds


def test_what_nobody_waits_for_ends_at_the_next_break():
    begun = []

    def draw():
        begun.append(True)
        take_break()
        begun.append("after the break")

    timed = Overtaking().draw(draw, lambda: False)
    assert begun == [True]
    assert isinstance(timed.drawn, NobodyWaitsError)


def test_who_overtakes_where_nobody_draws_draws_at_once():
    assert Overtaking().overtake(lambda: "quick").drawn == "quick"


def test_a_drawing_that_fails_lets_others_draw():
    overtaking = Overtaking()

    def fail():
        raise ValueError("no picture")

    assert isinstance(overtaking.draw(fail, _always).drawn, ValueError)
    assert isinstance(overtaking.overtake(fail).drawn, ValueError)
    assert overtaking.draw(lambda: "next", _always).drawn == "next"
