"""How far a night's drawing is, in a log without a terminal."""

import io

from flows.stages.progress import DrawingProgress


def test_a_line_now_and_then_has_pictures_a_second_and_the_time_left():
    seconds, log = iter([0.0, 30.0, 60.0, 60.0, 60.0, 90.0]), io.StringIO()
    progress = DrawingProgress(400, "bucket 1 of 2", output=log, clock=lambda: next(seconds))
    progress.advance(32)
    progress.advance(28)
    progress.advance(40)
    progress.close()
    assert log.getvalue() == "generate (bucket 1 of 2): 60 of 400 pictures, 1.00 a second, 6 min left\n"


def test_nothing_is_promised_before_anything_is_done():
    seconds, log = iter([0.0, 60.0, 60.0, 60.0]), io.StringIO()
    DrawingProgress(400, output=log, clock=lambda: next(seconds)).advance(0)
    assert log.getvalue() == "generate: 0 of 400 pictures, 0.00 a second, inf min left\n"
