"""Pictures as files: the same pixels and provenance give the same bytes."""

import io
from collections.abc import Mapping

from PIL import Image
from PIL.PngImagePlugin import PngInfo

MIME_TYPES = {"png": "image/png", "webp": "image/webp"}

SOFTWARE, DESCRIPTION = 0x0131, 0x010E
"""EXIF tags, for formats that carry no text of their own."""


def encode_image(image: Image.Image, image_format: str, provenance: Mapping[str, str]) -> bytes:
    """Encode losslessly, with where the picture comes from written into the file.

    Args:
        image: The picture.
        image_format: A key of `MIME_TYPES`.
        provenance: Short texts such as the digest; never a user's id or words.
    """
    buffer = io.BytesIO()
    if image_format == "png":
        image.save(buffer, "png", pnginfo=_text_chunks(provenance))
    else:
        image.save(buffer, "webp", lossless=True, exif=_exif(provenance))
    return buffer.getvalue()


def _text_chunks(provenance: Mapping[str, str]) -> PngInfo:
    chunks = PngInfo()
    for name, text in provenance.items():
        chunks.add_text(name, text)
    return chunks


def _exif(provenance: Mapping[str, str]) -> Image.Exif:
    exif = Image.Exif()
    exif[SOFTWARE] = provenance.get("Software", "")
    exif[DESCRIPTION] = "; ".join(
        f"{name}: {text}" for name, text in provenance.items() if name != "Software"
    )
    return exif
