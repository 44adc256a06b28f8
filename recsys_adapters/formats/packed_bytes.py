"""The bytes of a file, whatever packs them, and what a file is by its first bytes.

What decides is the content, never the name. A file in a zip archive has a path inside it: `logs.zip/may.csv`.
"""

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import pyarrow as pa

from recsys_adapters.errors import SourceFileError

HEAD_BYTES = 1 << 16

_ZIP_MAGIC = b"PK\x03\x04"
_ZIP_MAGICS = (_ZIP_MAGIC, b"PK\x05\x06")
"""How a zip archive begins, and one without a file."""
_WORKBOOK = "[Content_Types].xml"
"""What every file of Excel has among its members."""
_TAR_PLACE, _TAR_MAGIC = 257, b"ustar"
_PACKED: dict[str, tuple[bytes, Callable[[BinaryIO], object]]] = {
    "gzip": (b"\x1f\x8b\x08", lambda stream: gzip.GzipFile(fileobj=stream)),
    "bzip2": (b"BZh", bz2.BZ2File),
    "xz": (b"\xfd7zXZ\x00", lzma.LZMAFile),
    "zstd": (
        b"\x28\xb5\x2f\xfd",
        lambda stream: pa.CompressedInputStream(pa.PythonFile(stream, mode="r"), "zstd"),
    ),
}
_NO_TEXT = {
    b"PAR1": ("a Parquet file", 'set format = "parquet"'),
    b"SQLite format 3": ("an SQLite database", "export the table as CSV or Parquet"),
    b"Obj\x01": ("an Avro file", "export it as Parquet or JSON lines"),
    b"ORC": ("an ORC file", "export it as Parquet"),
    b"\x89HDF\r\n\x1a\n": ("an HDF5 file", "export it as CSV or Parquet"),
    b"ARROW1": ("an Arrow file", "export it as Parquet"),
    b"\x93NUMPY": ("a NumPy file", "export it as CSV"),
    b"\x80\x04": ("a Python pickle", "export it as CSV or Parquet"),
    b"\x80\x05": ("a Python pickle", "export it as CSV or Parquet"),
    b"%PDF": ("a PDF document", "export it as CSV"),
    b"\xd0\xcf\x11\xe0": ("an old Excel workbook", "save it as CSV"),
}
NOT_UNPACKED = {
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"Rar!\x1a\x07\x00": "a RAR archive",
    b"Rar!\x1a\x07\x01\x00": "a RAR archive",
    b"MSCF\0\0\0\0": "a cabinet of Windows",
    b"PK\x07\x08": "a part of a zip archive in several parts",
    b"\x04\x22\x4d\x18": "an lz4 file",
    b"\xff\x06\0\0sNaPpY": "a Snappy file",
    b"LZIP\x01": "an lzip file",
    b"\x1f\x9d": "a file of Unix compress",
}
"""What packs files, too, and is not read here; each begins as no text does."""
_INSIDE = {
    _ZIP_MAGIC: "a zip archive",
    b"\x1f\x8b\x08": "a gzip file",
    b"BZh91AY&SY": "a bzip2 file",
    b"\xfd7zXZ\x00": "an xz file",
    b"\x28\xb5\x2f\xfd": "a zstd file",
    **NOT_UNPACKED,
}
"""What may be met inside an archive, and is one itself."""
_OF_TEXT = bytes({*range(256)} - {*range(0x04, 0x09), *range(0x0E, 0x1B)})
"""Bytes that texts have: all but most controls. NUL characters come in blocks after a power cut."""
_FEW_CONTROLS, _MOST_CONTROLS = 32, 0.02
"""How many others, and which share of all bytes, a text may have."""


class _Damaged(Exception):
    """The packed bytes cannot be unpacked."""


_DAMAGE = (
    gzip.BadGzipFile, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, pa.ArrowException, _Damaged,
)  # fmt: skip


class _Begin(io.RawIOBase):
    """The first bytes of a file, as if it had no others."""

    def __init__(self, stored: BinaryIO, num_bytes: int) -> None:
        super().__init__()
        self._stored, self._left = stored, num_bytes

    def readable(self) -> bool:
        """Yes: Arrow asks."""
        return True

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes, at most so many; all others for a size below 0."""
        piece = self._stored.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(piece)
        return piece


@contextmanager
def open_bytes(path: Path, num_bytes: int | None = None) -> Iterator[BinaryIO]:
    """Open a file for reading its (unpacked) bytes.

    Args:
        path: of the file, or of one in a zip archive.
        num_bytes: how many bytes of the file count, as it lies there; none: all. Of an archive, whose list of
            files is at its end, all do.

    Raises:
        SourceFileError: if a packed file is damaged or cut short, or a zip archive holds several files.
    """
    archive, member = split_archive(path)
    with archive.open("rb") as stored:
        kind = "zip" if member or stored.read(4) in _ZIP_MAGICS else packing(archive)
        stored.seek(0)
        counts_all = num_bytes is None or kind == "zip"
        counting = stored if counts_all else cast(BinaryIO, _Begin(stored, num_bytes or 0))
        if kind is None:
            yield counting
            return
        try:
            with _unpack(counting, kind, archive, member) as unpacked:
                yield unpacked
        except _DAMAGE as error:
            raise SourceFileError(
                f"{path.name} is a damaged {kind} file, or one that was not written to its end ({error}). "
                "Fetch it anew."
            ) from error
        except NotImplementedError as error:
            # What zipfile says of a method of packing that it does not know.
            raise SourceFileError(
                f"{path.name} is packed by a method of zip that is not read here: unpack it and name the "
                "folder, or pack it anew."
            ) from error
        except OSError as error:
            # What bz2 says of damaged data is an OSError without a number.
            if error.errno is not None:
                raise
            raise SourceFileError(
                f"{path.name} is a damaged {kind} file ({error}). Fetch it anew."
            ) from error


def packing(path: Path) -> str | None:
    """What packs the file: `gzip`, `bzip2`, `xz`, `zstd`, `zip`, or nothing."""
    archive, member = split_archive(path)
    if member:
        return "zip"
    with archive.open("rb") as stream:
        head = stream.read(8)
    if head.startswith(_ZIP_MAGICS):
        return "zip"
    return next((kind for kind, (magic, _) in _PACKED.items() if head.startswith(magic)), None)


def check_unpacks(path: Path, num_bytes: int | None = None) -> None:
    """Read a packed file to its end, before a reader meets the damage in its midst.

    Args:
        path: of the file.
        num_bytes: as for `open_bytes`.

    Raises:
        SourceFileError: if it is damaged or cut short.
    """
    if packing(path) is not None:
        with open_bytes(path, num_bytes) as stream:
            while stream.read(1 << 22):
                pass


def read_head(path: Path) -> bytes:
    """The first bytes of the unpacked file.

    Raises:
        SourceFileError: if they are packed still, or by what is not read here.
    """
    with open_bytes(path) as stream:
        head = stream.read(HEAD_BYTES)
    _check_is_unpacked(path, head)
    return head


def check_packer(path: Path) -> None:
    """Refuse a file that is packed by what is not read here.

    Raises:
        SourceFileError: says what it is, and what to do.
    """
    with path.open("rb") as stream:
        head = stream.read(HEAD_BYTES)
    if what := next((what for magic, what in NOT_UNPACKED.items() if head.startswith(magic)), None):
        raise SourceFileError(
            f"{path.name} is {what}, which is not read here: unpack it and name the folder, or pack its "
            "files as zip, gzip, zstd, bzip2 or xz."
        )
    if _is_tar(head):
        raise SourceFileError(f"{path.name} is a tar archive: unpack it and name the folder.")


def _check_is_unpacked(path: Path, head: bytes) -> None:
    """See that what was unpacked is no archive again, and what was not is none that would have to be."""
    archive, member = split_archive(path)
    if packing(path) is None:
        check_packer(archive)
        return
    inside = "a tar archive" if member and _is_tar(head) else None
    if what := next((what for magic, what in _INSIDE.items() if head.startswith(magic)), inside):
        if _WORKBOOK.encode() in head:
            what = "an Excel workbook"
        named = f" ({member})" if member else ""
        raise SourceFileError(
            f"{archive.name} holds {what}{named}, and archives inside archives are not read: unpack "
            f"{archive.name} and name the folder."
        )


def _is_tar(head: bytes) -> bool:
    return head[_TAR_PLACE:].startswith(_TAR_MAGIC)


def check_is_text(path: Path, head: bytes, *, is_wide: bool = False) -> None:
    """Refuse a file that is no text.

    Args:
        path: of the file, to name it.
        head: its first bytes.
        is_wide: whether its characters are known to have several bytes each.

    Raises:
        SourceFileError: says what it is instead, and how it is read.
    """
    name = path.name
    for magic, (what, remedy) in _NO_TEXT.items():
        # A text may begin alike, but what is none has a NUL character sooner or later.
        if head.startswith(magic) and b"\0" in head:
            raise SourceFileError(f"{name} is {what}, not text: {remedy}.")
    if _is_tar(head):
        raise SourceFileError(f"{name} is a tar archive: unpack it and name the folder.")
    if head.lstrip()[:15].lower().startswith((b"<!doctype html", b"<html")):
        raise SourceFileError(f"{name} is a web page, maybe an error of the server that it came from.")
    num_controls = 0 if is_wide else len(head.translate(None, _OF_TEXT))
    if num_controls > max(_FEW_CONTROLS, _MOST_CONTROLS * len(head)):
        raise SourceFileError(
            f"{name} is not text, but bytes of an unknown kind: export it as CSV, or Parquet."
        )


def zip_members(path: Path) -> tuple[str, ...]:
    """Names of the files in a zip archive, without what operating systems add; none for any other file.

    Raises:
        SourceFileError: if the archive is damaged, has no file in it, or is an Excel workbook.
    """
    with path.open("rb") as stream:
        if stream.read(4) not in _ZIP_MAGICS:
            return ()
    try:
        with zipfile.ZipFile(path) as archive:
            names = [info.filename for info in archive.infolist() if not info.is_dir()]
    except zipfile.BadZipFile as error:
        raise SourceFileError(f"{path.name} is a damaged zip file ({error}). Fetch it anew.") from error
    if _WORKBOOK in names:
        raise SourceFileError(f"{path.name} is an Excel workbook: save its sheet as CSV.")
    members = tuple(name for name in names if not _is_of_the_system(name))
    if not members:
        raise SourceFileError(
            f"{path.name} is a zip archive without a file in it: fetch or pack it anew, or take it away."
        )
    return members


def split_archive(path: Path) -> tuple[Path, str | None]:
    """The file on disk, and the path inside it where it is an archive."""
    if path.exists():
        return path, None
    for parent in path.parents:
        if parent.is_file():
            return parent, path.relative_to(parent).as_posix()
    return path, None


def is_inside_archive(path: Path) -> bool:
    """Whether a path goes on inside a zip archive."""
    archive, inside = split_archive(path)
    if inside is None:
        return False
    with archive.open("rb") as stream:
        return stream.read(4) == _ZIP_MAGIC


def _is_of_the_system(name: str) -> bool:
    parts = name.split("/")
    return parts[0] == "__MACOSX" or parts[-1].startswith(".")


@contextmanager
def _unpack(stored: BinaryIO, kind: str, path: Path, member: str | None) -> Iterator[BinaryIO]:
    if kind != "zip":
        yield cast(BinaryIO, _PACKED[kind][1](stored))
        return
    names = (member,) if member else zip_members(path)
    if len(names) != 1:
        raise SourceFileError(f"{path.name} holds {len(names)} files: name one of them, or unpack it.")
    with zipfile.ZipFile(stored) as archive:
        if archive.getinfo(names[0]).flag_bits & 1:
            raise SourceFileError(f"{path.name} is locked with a password: unpack it.")
        with archive.open(names[0]) as unpacked:
            yield cast(BinaryIO, unpacked)
