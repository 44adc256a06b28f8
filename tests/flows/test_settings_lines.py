"""A message about a setting names the line where it stands."""

import pytest

from flows.settings_lines import find_line

TEXT = """\
workspace = "ws"
drawing.alpha = 0.3

[[sources]]
adapter = "event_log"
  columns = {user_id = "uid"}

[[sources]]
"path" = "b"
[serving]
[ serving.limits ]
max_rows=3
# max_references = 4
"""


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        (("workspace",), 1),
        (("drawing", "alpha"), 2),
        (("sources", 0), 4),
        (("sources", 0, "columns"), 6),
        (("sources", 1, "path"), 9),
        (("serving", "limits", "max_rows"), 12),
    ],
)
def test_a_key_is_found_wherever_its_table_stands(keys, line):
    assert find_line(TEXT, keys) == line


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        (("sources", 0, "columns", "item_id"), 6),
        (("sources", 1, "adapter"), 8),
        (("serving", "limits", "max_references"), 11),
        (("serving", "max_wait_seconds"), 10),
    ],
)
def test_of_a_key_that_is_not_there_the_line_is_that_of_what_would_hold_it(keys, line):
    assert find_line(TEXT, keys) == line


@pytest.mark.parametrize("keys", [("gallery",), ("sources", 2), ("drawing",), ()])
def test_what_is_not_in_the_file_at_all_has_no_line(keys):
    assert find_line(TEXT, keys) is None
