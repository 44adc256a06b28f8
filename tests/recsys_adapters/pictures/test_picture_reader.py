"""Pictures of items as they come: hostile, broken, turned, transparent; a picture, or why it is refused."""

import functools
import io
import os
import struct
import threading
import zlib
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer

import fsspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from recsys_adapters.errors import SourceFileError
from recsys_adapters.pictures.picture_pixels import KEPT_SIDE, decode_picture
from recsys_adapters.pictures.picture_reader import ItemPicture, PictureReader
from recsys_adapters.pictures.picture_rules import (
    PictureRules,
    Refusal,
    RefusedPicture,
    RefusedPictureError,
    describe_refusals,
)

ORIENTATION = 0x0112


def saved(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def two_halves(left="red", right="blue", size=(40, 20)):
    image = Image.new("RGB", size, right)
    image.paste(Image.new("RGB", (size[0] // 2, size[1]), left), (0, 0))
    return image


def png_of(width, height):
    """A PNG that says how large it is, and holds nothing of it."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")]
    written = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(written)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "film.png").write_bytes(saved(two_halves()))
    return tmp_path


def reader_of(folder, **rules):
    return PictureReader(PictureRules(allowed=(str(folder),), **rules))


def test_a_picture_is_known_by_its_content(folder):
    (folder / "again.png").write_bytes((folder / "film.png").read_bytes())
    first, again = (reader_of(folder).read(name) for name in ("film.png", "again.png"))
    assert first.image.mode == "RGB"
    assert first.image.size == (40, 20)
    assert first.sha256 == again.sha256
    assert len(first.sha256) == 64


@pytest.mark.parametrize(
    ("content", "refusal"),
    [
        (png_of(30_000, 100), Refusal.TOO_LARGE),
        (png_of(12_000, 12_000), Refusal.TOO_LARGE),
        (png_of(60_000, 60_000), Refusal.TOO_LARGE),
        (saved(Image.new("RGB", (2100, 100))), Refusal.TOO_NARROW),
        (png_of(64, 64), Refusal.BROKEN),
        (saved(two_halves(), "JPEG")[:-200], Refusal.BROKEN),
        (b"", Refusal.NO_PICTURE),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", Refusal.NO_PICTURE),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", Refusal.NO_PICTURE),
        (saved(two_halves(), "BMP"), Refusal.NO_PICTURE),
    ],
    ids=lambda value: str(value) if isinstance(value, Refusal) else "",
)
def test_a_file_that_is_no_good_picture_is_refused_with_its_reason(folder, content, refusal):
    (folder / "one.png").write_bytes(content)
    assert reader_of(folder).read("one.png") == RefusedPicture(refusal)


def test_a_text_that_unpacks_to_gigabytes_is_refused(folder):
    bomb = zlib.compress(bytes(80 * 2**20))
    data = b"Comment\0\0" + bomb
    chunk = struct.pack(">I", len(data)) + b"zTXt" + data + struct.pack(">I", zlib.crc32(b"zTXt" + data))
    whole = (folder / "film.png").read_bytes()
    (folder / "film.png").write_bytes(whole[:33] + chunk + whole[33:])
    assert reader_of(folder).read("film.png") == RefusedPicture(Refusal.BROKEN)


def test_a_file_of_too_many_bytes_is_refused_before_it_is_decoded(folder):
    size = (folder / "film.png").stat().st_size
    assert isinstance(reader_of(folder, max_bytes=size).read("film.png"), ItemPicture)
    assert reader_of(folder, max_bytes=size - 1).read("film.png") == RefusedPicture(Refusal.TOO_MANY_BYTES)


@pytest.mark.parametrize(
    ("uri", "refusal"),
    [
        ("lost.png", Refusal.MISSING),
        ("/etc/hostname", Refusal.NOT_ALLOWED),
        (".", Refusal.NO_PICTURE),
        ("pipe.png", Refusal.NO_PICTURE),
        ("n" * 300, Refusal.NOT_FETCHED),
        ("film.png/more", Refusal.MISSING),
    ],
)
def test_what_is_no_file_of_the_folder_is_refused(folder, uri, refusal):
    os.mkfifo(folder / "pipe.png")
    assert reader_of(folder).read(uri) == RefusedPicture(refusal)


def decoded(content):
    return decode_picture(content, PictureRules())


def colors(image):
    pixels = np.asarray(image, int)
    middle = len(pixels) // 2
    return [pixels[middle, place].tolist() for place in (2, -3)]


def test_a_picture_is_turned_as_its_camera_was_held():
    exif = Image.Exif()
    exif[ORIENTATION] = 3
    left, right = colors(decoded(saved(two_halves(), "JPEG", exif=exif, quality=95, subsampling=0)))
    assert left[2] > 200 > 60 > left[0]
    assert right[0] > 200 > 60 > right[2]


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_parts_are_white(mode):
    layer = Image.new("RGBA", (20, 20), (0, 0, 0, 0))
    layer.paste((0, 0, 0, 255), (0, 0, 10, 20))
    options = {"transparency": 1} if mode == "P" else {}
    image = layer.convert(mode)
    if mode == "P":
        image = Image.fromarray(np.repeat([[0] * 10 + [1] * 10], 20, axis=0).astype(np.uint8), "P")
        image.putpalette([0, 0, 0, 0, 0, 0])
    assert colors(decoded(saved(image, **options))) == [[0, 0, 0], [255, 255, 255]]


def test_greyscale_of_sixteen_bits_keeps_its_levels():
    levels = np.repeat([[0] * 10 + [32896] * 10], 20, axis=0).astype(np.uint16)
    assert colors(decoded(saved(Image.fromarray(levels)))) == [[0, 0, 0], [128, 128, 128]]


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_of_an_animation_the_first_frame_is_taken(kind):
    frames = [Image.new("RGB", (16, 16), color) for color in ("red", "blue")]
    content = saved(frames[0], kind, save_all=True, append_images=frames[1:], duration=100)
    assert np.asarray(decoded(content), int)[8, 8, 0] > 240


@pytest.mark.parametrize(("mode", "kind"), [("L", "PNG"), ("1", "PNG"), ("CMYK", "JPEG"), ("L", "JPEG")])
def test_any_mode_becomes_rgb(mode, kind):
    assert decoded(saved(two_halves("white", "black").convert(mode), kind)).mode == "RGB"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "AVIF"])
def test_a_large_picture_is_kept_small_and_in_its_shape(kind):
    image = decoded(saved(two_halves(size=(3000, 1500)), kind))
    assert image.size == (2 * KEPT_SIDE, KEPT_SIDE)
    assert np.asarray(image, int)[100, 100, 0] > 230


@given(st.integers(0, 10_000), st.binary(min_size=1, max_size=8))
def test_whatever_is_spoilt_is_a_picture_or_a_refusal(place, spoilt):
    whole = saved(two_halves(size=(64, 64)), "JPEG")
    place %= len(whole)
    content = whole[:place] + spoilt + whole[place + len(spoilt) :]
    assert outcome(content) in {"RGB", *Refusal}


def outcome(content):
    try:
        return decoded(content).mode
    except RefusedPictureError as refused:
        return refused.refusal


def test_a_store_is_read_as_far_as_it_is_allowed():
    store = fsspec.filesystem("memory")
    store.pipe("/covers/film.png", saved(two_halves()))
    reader = PictureReader(PictureRules(allowed=("memory://covers",), max_bytes=10_000))
    assert reader.read("memory://covers/film.png").image.size == (40, 20)
    assert reader.read("memory://covers/lost.png") == RefusedPicture(Refusal.MISSING)
    assert reader.read("memory://other/film.png") == RefusedPicture(Refusal.NOT_ALLOWED)
    store.rm("/covers", recursive=True)


def test_a_store_without_its_package_is_an_error_that_names_it():
    reader = PictureReader(PictureRules(allowed=("gs://bucket",)))
    with pytest.raises(SourceFileError, match=r"to read gs:// install the package gcsfs"):
        reader.read("gs://bucket/film.png")


class Elsewhere(BaseHTTPRequestHandler):
    """Redirects to a picture that is there."""

    def do_GET(self):
        self.send_response(302)
        self.send_header("Location", f"http://127.0.0.1:{self.server.server_port}/film.png")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def served(folder):
    """Start servers of a handler, and say where they are."""
    servers = []

    def serve(handler):
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_web_server_is_read_as_far_as_it_is_allowed(folder, served):
    (folder / "a ü.png").write_bytes((folder / "film.png").read_bytes())
    root = served(functools.partial(SimpleHTTPRequestHandler, directory=str(folder)))
    reader = PictureReader(PictureRules(allowed=(root,)))
    assert reader.read(f"{root}/a ü.png").image.size == (40, 20)
    assert reader.read(f"{root}/a%20%C3%BC.png").image.size == (40, 20)
    assert reader.read(f"{root}/lost.png") == RefusedPicture(Refusal.MISSING)
    few = PictureReader(PictureRules(allowed=(root,), max_bytes=20))
    assert few.read(f"{root}/film.png") == RefusedPicture(Refusal.TOO_MANY_BYTES)
    assert PictureReader(PictureRules()).read(f"{root}/film.png") == RefusedPicture(Refusal.NOT_ALLOWED)


def test_nobody_is_followed_to_another_place(served):
    root = served(Elsewhere)
    assert PictureReader(PictureRules(allowed=(root,))).read(f"{root}/film.png") == RefusedPicture(
        Refusal.NOT_FETCHED
    )


def test_a_server_that_does_not_answer_is_a_refusal():
    reader = PictureReader(PictureRules(allowed=("http://127.0.0.1:1",)))
    assert reader.read("http://127.0.0.1:1/film.png") == RefusedPicture(Refusal.NOT_FETCHED)


def test_refusals_are_counted_and_name_no_file():
    refused = [Refusal.MISSING, Refusal.BROKEN, Refusal.MISSING]
    assert describe_refusals(refused, 5) == "3 of 5 pictures are refused: 2 not there, 1 broken or cut off"
