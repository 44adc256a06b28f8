"""From a picture's bytes to its pixels as people see them: nothing is decoded before its size is known."""

import io

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from recsys_adapters.pictures.picture_rules import PictureRules, Refusal, RefusedPictureError

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "AVIF")
"""What catalogues have. Pillow reads others, some of them by running other programs."""
KEPT_SIDE = 512
"""Pixels of the shorter side, at most: encoders see 224 to 448, so that more would only take memory."""
MOST_LONG = 20
"""Longer side by shorter: encoders scale the shorter one up to what they see, and the longer one with it."""
DEEP = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")
"""Modes of greyscale in 16 bits, which Pillow would cut off and not scale."""


def decode_picture(content: bytes, rules: PictureRules) -> Image.Image:
    """Decode a picture: upright, in RGB, transparent parts white, of an animation the first frame.

    Raises:
        RefusedPictureError: It is too large, or none that can be decoded whole.
    """
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            _check_size(image.size, rules)
            # JPEG alone can be decoded at a half, a quarter, an eighth.
            image.draft(image.mode, (KEPT_SIDE, KEPT_SIDE))
            return _reduce(_flatten(ImageOps.exif_transpose(image)))
    except RefusedPictureError:
        raise
    except Image.DecompressionBombError:
        raise RefusedPictureError(Refusal.TOO_LARGE) from None
    except UnidentifiedImageError:
        raise RefusedPictureError(Refusal.NO_PICTURE) from None
    except Exception:
        # Decoders raise whatever a spoilt file leads them to, and no two of them the same.
        raise RefusedPictureError(Refusal.BROKEN) from None


def _check_size(size: tuple[int, int], rules: PictureRules) -> None:
    width, height = size
    if width * height > rules.max_pixels or max(size) > rules.max_side:
        raise RefusedPictureError(Refusal.TOO_LARGE)
    if max(size) > MOST_LONG * min(size):
        raise RefusedPictureError(Refusal.TOO_NARROW)


def _flatten(image: Image.Image) -> Image.Image:
    """RGB of any mode, on white."""
    if image.mode in DEEP:
        levels = np.asarray(image, np.float64)
        return Image.fromarray((levels / 257).clip(0, 255).round().astype(np.uint8)).convert("RGB")
    if not image.has_transparency_data:
        return image.convert("RGB")
    layer = image.convert("RGBA")
    white = Image.new("RGBA", layer.size, "white")
    return Image.alpha_composite(white, layer).convert("RGB")


def _reduce(image: Image.Image) -> Image.Image:
    """No larger than anybody looks at."""
    shorter = min(image.size)
    if shorter <= KEPT_SIDE:
        return image
    width, height = (round(side * KEPT_SIDE / shorter) for side in image.size)
    return image.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=3.0)
