"""Pictures as pixels, which are checked, and as files: the same pixels and provenance give the same bytes."""

import io
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from fan_model.loading.kernels import Finite
from fan_model.request_errors import RequestError

WHOLE = Finite()
MIME_TYPES = {"png": "image/png", "webp": "image/webp"}

SOFTWARE, DESCRIPTION = 0x0131, 0x010E
"""EXIF tags, for formats that carry no text of their own."""

XMP = b"""<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
Iptc4xmpExt:DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"/>
</rdf:RDF></x:xmpmeta><?xpacket end="r"?>"""
"""IPTC's mark of a generated picture, which viewers and platforms read."""


class SpoiltPictureError(RequestError):
    """The image model gave what is no picture; the message says how."""

    http_status = 500


def develop(
    pixels: NDArray[np.floating],
    sides: tuple[int, int],
    number_types: tuple[str, str] = ("float32", "float32"),
    finite: Finite = WHOLE,
) -> Image.Image | SpoiltPictureError:
    """The picture that an image model gave, as diffusers itself makes it, or what is wrong with it.

    The device waits meanwhile, so that every pass over the pixels counts.

    Args:
        pixels: `[height, width, 3]`, 0 to 1.
        sides: Height and width that were asked for, in pixels.
        number_types: Of the image model and of the autoencoder.
        finite: Whether what the autoencoder was given, and what it gave, could be a picture.
    """
    if not finite.latents:
        return SpoiltPictureError(f"the image model's latents are not finite: {_remedy(number_types[0])}")
    if not (finite.decoded and np.isfinite(pixels).all()):
        return SpoiltPictureError(
            f"the autoencoder gave numbers that are not finite: {_remedy(number_types[1])}"
        )
    height, width = sides
    if pixels.shape[:2] != sides:
        return SpoiltPictureError(
            f"the image model gave {pixels.shape[1]} x {pixels.shape[0]} pixels, not {width} x {height}"
        )
    levels = _levels(pixels)
    if (levels == levels[0, 0]).all():
        return SpoiltPictureError(
            f"the image model gave a picture of a single colour: {_remedy(number_types[0])}"
        )
    return Image.fromarray(levels)


def _levels(pixels: NDArray[np.floating]) -> NDArray[np.uint8]:
    """0 to 255, to the nearest."""
    scaled = pixels * 255
    return np.rint(scaled, out=scaled).astype(np.uint8)


def _remedy(number_type: str) -> str:
    """What to change where numbers have become too large, or nothing."""
    if number_type == "float32":
        return "look at its weights, for model.dtype is float32 already"
    wider = "bfloat16 or float32" if number_type == "float16" else "float32"
    return f"set model.dtype = {wider}, for in {number_type} it overflows or loses what it draws"


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
        image.save(buffer, "webp", lossless=True, exif=_exif(provenance), xmp=XMP)
    return buffer.getvalue()


def _text_chunks(provenance: Mapping[str, str]) -> PngInfo:
    chunks = PngInfo()
    for name, text in provenance.items():
        chunks.add_text(name, text)
    chunks.add_itxt("XML:com.adobe.xmp", XMP.decode())
    return chunks


def _exif(provenance: Mapping[str, str]) -> Image.Exif:
    exif = Image.Exif()
    exif[SOFTWARE] = provenance.get("Software", "")
    exif[DESCRIPTION] = "; ".join(
        f"{name}: {text}" for name, text in provenance.items() if name != "Software"
    )
    return exif
