"""Lines are the same however a file is cut into the pieces that are read at once."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recsys_adapters.formats import file_lines
from recsys_adapters.formats.file_lines import Lines

TEXTS = {
    "as Unix ends them": b"ab\ncd\nef\n",
    "as Windows ends them": b"ab\r\ncd\r\nef\r\n",
    "as old Macs ended them": b"ab\rcd\ref\r",
    "with a mark": b"\xef\xbb\xbfab\r\ncd\r\nef",
}


def lines_of(path, chunk_bytes):
    """Number and text of each line, read so many bytes at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(file_lines, "_CHUNK_BYTES", chunk_bytes)
        return [(row["line"], row["raw"]) for batch in Lines(path).batches() for row in batch.to_pylist()]


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("chunk_bytes", range(1, 12))
def test_how_lines_end_is_seen_wherever_the_first_piece_ends(tmp_path, text, chunk_bytes):
    (tmp_path / "a.txt").write_bytes(text)
    assert lines_of(tmp_path / "a.txt", chunk_bytes) == [(1, "ab"), (2, "cd"), (3, "ef")]


@given(
    parts=st.lists(st.sampled_from(["a", "é", "\n", "\r\n", "\n\n\n", '"x,y"']), max_size=12),
    chunk_bytes=st.integers(1, 9),
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_pieces_of_any_size_make_the_same_lines(tmp_path, parts, chunk_bytes):
    (tmp_path / "a.txt").write_bytes("".join(parts).encode())
    assert lines_of(tmp_path / "a.txt", chunk_bytes) == lines_of(tmp_path / "a.txt", 1000)
