"""Whatever packs a file, and whatever it is called, its content decides how it is read."""

import bz2
import gzip
import io
import lzma
import zipfile

import pyarrow as pa
import pytest

from recsys_adapters.errors import SourceFileError
from recsys_adapters.formats.file_lines import read_blocks, read_text_head
from recsys_adapters.formats.packed_bytes import check_packer, check_unpacks, open_bytes, zip_members

TEXT = b"user,item\n" + b"u1,i1\n" * 1000


def zipped(**members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


PACKED = {
    "plain": TEXT,
    "gzip": gzip.compress(TEXT),
    "two gzips": gzip.compress(TEXT[:999]) + gzip.compress(TEXT[999:]),
    "bzip2": bz2.compress(TEXT),
    "xz": lzma.compress(TEXT),
    "zstd": pa.compress(TEXT, "zstd", asbytes=True),
    "zip": zipped(**{"log.csv": TEXT, "__MACOSX/._log.csv": b"rubbish"}),
}


@pytest.mark.parametrize("packer", PACKED)
def test_a_packed_file_reads_like_the_file_in_it(tmp_path, packer):
    path = tmp_path / "log.csv"
    path.write_bytes(PACKED[packer])
    with open_bytes(path) as stream:
        assert stream.read() == TEXT


@pytest.mark.parametrize("packer", ["plain", "gzip", "bzip2", "xz", "zstd"])
def test_what_was_added_to_a_file_since_is_not_read(tmp_path, packer):
    path = tmp_path / "log.csv"
    path.write_bytes(PACKED[packer] + PACKED[packer][:-9])
    check_unpacks(path, len(PACKED[packer]))
    with open_bytes(path, len(PACKED[packer])) as stream:
        assert stream.read() == TEXT


@pytest.mark.parametrize("packer", ["gzip", "bzip2", "xz", "zstd", "zip"])
def test_a_packed_file_that_is_cut_short_is_an_error_that_names_it(tmp_path, packer):
    path = tmp_path / "log.csv"
    path.write_bytes(PACKED[packer][: len(PACKED[packer]) * 2 // 3])
    with pytest.raises(SourceFileError, match=rf"log\.csv is a damaged {packer} file"):
        check_unpacks(path)


def test_each_file_of_an_archive_has_a_path_inside_it(tmp_path):
    path = tmp_path / "logs.zip"
    path.write_bytes(zipped(**{"a.csv": b"a", "deep/b.csv": b"b", ".hidden": b"x"}))
    assert zip_members(path) == ("a.csv", "deep/b.csv")
    with open_bytes(path / "deep" / "b.csv") as stream:
        assert stream.read() == b"b"


def test_a_workbook_is_no_archive_of_logs(tmp_path):
    path = tmp_path / "log.xlsx"
    path.write_bytes(zipped(**{"[Content_Types].xml": b"<x/>", "xl/workbook.xml": b"<x/>"}))
    with pytest.raises(SourceFileError, match=r"log\.xlsx is an Excel workbook: save its sheet as CSV"):
        zip_members(path)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"7z\xbc\xaf\x27\x1c\x00\x04", "a 7z archive"),
        (b"Rar!\x1a\x07\x00short", "a RAR archive"),
        (b"\x04\x22\x4d\x18short", "an lz4 file"),
        (b"\x1f\x9d\x90short", "a file of Unix compress"),
        (b"PK\x07\x08", "a part of a zip archive in several parts"),
    ],
)
def test_what_packs_files_and_is_not_read_is_told_with_what_is(tmp_path, content, what):
    path = tmp_path / "log.csv"
    path.write_bytes(content)
    told = rf"log\.csv is {what}, which is not read here: unpack it and name the folder, or pack its files"
    with pytest.raises(SourceFileError, match=told):
        list(read_blocks(path))
    with pytest.raises(SourceFileError, match=told):
        read_text_head(path)
    with pytest.raises(SourceFileError, match=told):
        check_packer(path)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (PACKED["zip"], "a zip archive"),
        (PACKED["gzip"], "a gzip file"),
        (PACKED["bzip2"], "a bzip2 file"),
        (PACKED["xz"], "an xz file"),
        (PACKED["zstd"], "a zstd file"),
        (b"7z\xbc\xaf\x27\x1c\x00\x04", "a 7z archive"),
        (b"x" * 257 + b"ustar\x00", "a tar archive"),
        (zipped(**{"[Content_Types].xml": b"<x/>"}), "an Excel workbook"),
    ],
    ids=["zip", "gzip", "bzip2", "xz", "zstd", "7z", "tar", "Excel"],
)
def test_an_archive_in_an_archive_is_told_with_the_one_to_unpack(tmp_path, content, what):
    path = tmp_path / "logs.zip"
    path.write_bytes(zipped(inner=content))
    told = rf"logs\.zip holds {what} \(inner\), .*: unpack logs\.zip and name the folder"
    with pytest.raises(SourceFileError, match=told):
        list(read_blocks(path / "inner"))


def test_what_is_packed_twice_is_told(tmp_path):
    path = tmp_path / "log.csv.gz"
    path.write_bytes(gzip.compress(PACKED["gzip"]))
    with pytest.raises(
        SourceFileError, match=r"log\.csv\.gz holds a gzip file, and archives inside archives"
    ):
        list(read_blocks(path))


@pytest.mark.parametrize("members", [{}, {"__MACOSX/._a.csv": b"x"}, {"folder/": b""}])
def test_a_zip_archive_without_a_file_is_told(tmp_path, members):
    path = tmp_path / "logs.zip"
    path.write_bytes(zipped(**members))
    told = r"logs\.zip is a zip archive without a file in it: fetch or pack it anew, or take it away"
    with pytest.raises(SourceFileError, match=told):
        zip_members(path)
    with pytest.raises(SourceFileError, match=told):
        list(read_blocks(path))


def test_a_method_of_zip_that_is_not_read_is_told(tmp_path):
    content = zipped(**{"log.csv": TEXT})
    # Where the local header, and the directory at the end, say how the file is packed.
    directory = content.rindex(b"PK\x01\x02")
    patched = bytearray(content)
    patched[8:10] = patched[directory + 10 : directory + 12] = (9).to_bytes(2, "little")
    path = tmp_path / "logs.zip"
    path.write_bytes(patched)
    with pytest.raises(SourceFileError, match="packed by a method of zip that is not read here: unpack it"):
        list(read_blocks(path))


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"PAR1\x15\x00rest", r'a Parquet file, not text: set format = "parquet"'),
        (b"SQLite format 3\x00", "an SQLite database, not text"),
        (b"x" * 257 + b"ustar\x00", "a tar archive: unpack it"),
        (b"<!DOCTYPE html><html>", "a web page"),
        (bytes(range(256)) * 4, r"log\.csv is not text, but bytes of an unknown kind: export it as CSV"),
    ],
)
def test_what_is_no_text_is_an_error_that_says_what_it_is(tmp_path, content, what):
    path = tmp_path / "log.csv"
    path.write_bytes(content)
    with pytest.raises(SourceFileError, match=what):
        list(read_blocks(path))


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        ("a\nzoë\n".encode("utf-16"), "utf-8"),
        ("a\nzoë\n".encode("utf-16-be"), "utf-16-be"),
        ("a\nzoë\n".encode("utf-16-le"), "utf-8"),
        ("a\nzoë\n".encode("utf-16-be"), "utf-8"),
        ("a\nzoë\n".encode("utf-16-le"), "utf-16"),
        ("a\nzoë\n".encode("utf-16-be"), "utf-16"),
        ("a\nzoë\n".encode("latin-1"), "latin-1"),
        ("a\rzoë\r".encode(), "utf-8"),
        ("a\r\r\nzoë\r\r\n".encode(), "utf-8"),
        ("\ufeffa\nzoë\n\n\n".encode(), "utf-8"),
    ],
)
def test_encodings_and_line_ends_make_no_difference(tmp_path, content, encoding):
    path = tmp_path / "log.csv"
    path.write_bytes(content)
    assert b"".join(block.text for block in read_blocks(path, encoding=encoding)) == "a\nzoë\n".encode()


def test_zeros_that_a_power_cut_left_in_a_text_leave_it_a_text(tmp_path):
    path = tmp_path / "log.csv"
    path.write_bytes(b"a,b\n1,2\n" + b"\0" * 4096 + b"\n3,4\n")
    assert b"".join(block.text for block in read_blocks(path)).count(b"\n") == 4
