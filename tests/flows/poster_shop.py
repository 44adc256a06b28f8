"""A shop whose items have posters: a log of likes, a catalogue that names a picture of each item."""

import struct
import zlib

from PIL import Image

SOURCES = """
[[sources]]
adapter = "event_log"
path = "log.csv"
format = "csv"
columns = {user_id = "user", item_id = "item", event_time = "time", kind = "kind"}
time_format = "seconds"
kinds = {like = 3}
[[sources]]
adapter = "catalogue"
path = "items.csv"
columns = {item_id = "item", title = "title", stock_image_uri = "picture"}
[targets]
method = "latest"
per_user = 1
[profile]
fraction = 1.0
"""


def write_items(folder, pictures):
    """Write a catalogue of films, with the path or address of each one's picture."""
    rows = [f"{item},Film {item},{picture}" for item, picture in pictures.items()]
    (folder / "items.csv").write_text("\n".join(["item,title,picture", *rows]) + "\n")


def write_likes(folder, likes):
    """Write a log of likes: user, item, seconds."""
    events = [f"{user},{item},{time},like" for user, item, time in likes]
    (folder / "log.csv").write_text("\n".join(["user,item,time,kind", *events]) + "\n")


def paint(folder, name, color):
    """Paint a poster of one colour into the folder's `posters`."""
    Image.new("RGB", (48, 64), color).save(folder / "posters" / f"{name}.png")


def write_bomb(file, side=100_000):
    """Write a small PNG that would be decoded to gigabytes."""
    header = b"IHDR" + struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    data = b"IDAT" + zlib.compress(bytes(1000))
    chunks = [
        struct.pack(">I", len(one) - 4) + one + struct.pack(">I", zlib.crc32(one)) for one in (header, data)
    ]
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
