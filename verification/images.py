"""Untrusted picture bytes in, bounded upright pixels out.

Every limit is checked before the pixels are decoded: the number of bytes, the type by its first bytes, and the
number of pixels from the header. What cannot be judged raises ``UnusableInput`` with one of ``CODES``.
"""

from __future__ import annotations

import io
import struct
import warnings
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from PIL import Image

from verification.contract import Pixels, UnusableInput

MAX_BYTES: Final = 12 * 1024 * 1024
"""A 12-megapixel phone photograph is 3 to 8 MB as JPEG."""
MAX_PIXELS: Final = 40_000_000
"""Lets the 12-megapixel (default) pictures of phones through and keeps decoding under about 320 MB."""
MAX_SIDE: Final = 4096
"""Larger pictures are reduced to this longest side: a card then still has over 40 pixels a millimetre."""
MIN_SIDE: Final = 48
"""Below this a face has under about 16 pixels between the eyes, less than the detector's smallest face."""

CODES: Final = (
    "file_unreadable",
    "image_empty",
    "image_too_large",
    "image_not_a_picture",
    "image_type_unsupported",
    "image_truncated",
    "image_too_many_pixels",
    "image_animated",
    "image_too_small",
)

_ORIENTATION_TAG: Final = 0x0112  # EXIF 2.3, "Orientation"
_UPRIGHT: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_OTHER_TYPES: Final = (b"GIF8", b"BM", b"II*\x00", b"MM\x00*", b"%PDF", b"\x00\x00\x01\x00", b"8BPS", b"<svg", b"<?xml")


def read(path: Path) -> bytes:
    """The bytes of a picture file, at most MAX_BYTES of them. Raises UnusableInput (of CODES)."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UnusableInput("file_unreadable", f"{path.name} cannot be read: {error.strerror}.") from error
    if len(data) > MAX_BYTES:
        raise UnusableInput("image_too_large", f"{path.name} is larger than the {MAX_BYTES} bytes that are accepted.")
    return data


def decode(data: bytes) -> Pixels:
    """Decode one still picture (JPEG, PNG or WEBP) to BGR pixels, upright, longest side at most ``MAX_SIDE``.

    EXIF orientation is applied, transparency is laid over white, 16-bit grey becomes 8-bit.
    Raises UnusableInput with a code of ``CODES``.
    """
    if not data:
        raise UnusableInput("image_empty", "The file is empty.")
    if len(data) > MAX_BYTES:
        raise UnusableInput("image_too_large", f"The file has {len(data)} bytes; at most {MAX_BYTES} are accepted.")
    kind = _kind(data)
    if kind == "WEBP":  # Pillow's WEBP reader reserves the whole canvas when it opens: look at the header first
        _bound(_webp_size(data))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # damaged metadata makes Pillow warn; the pixels decide
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(io.BytesIO(data), formats=(kind,)) as picture:
                _bound(picture.size)
                if kind != "JPEG" and getattr(picture, "is_animated", False):
                    raise UnusableInput("image_animated", "The picture is animated; a still picture is needed.")
                return _reduced(_pixels(picture))
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise _too_many_pixels() from error
        except (OSError, SyntaxError, ValueError, struct.error, EOFError, IndexError) as error:
            # Pillow's readers report damaged data by all of these
            raise UnusableInput("image_truncated", "The picture is cut short or damaged.") from error


def encode_jpeg(pixels: Pixels, quality: int = 90) -> bytes:
    """JPEG bytes of BGR pixels. ``quality`` is libjpeg's, 1..100. Raises ValueError for pixels that are no picture."""
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.size == 0:
        raise ValueError(f"not BGR pixels: shape {pixels.shape}")
    done, encoded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise ValueError("the JPEG encoder refused the pixels")
    return encoded.tobytes()


def _kind(data: bytes) -> str:
    """Pillow's name of the type, told by the first bytes alone (never by a file name or a header)."""
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp":  # ISO base media: HEIC and AVIF, what phones store, and video
        raise UnusableInput(
            "image_type_unsupported", "HEIC, AVIF and video files are not read; use JPEG, PNG or WEBP pictures."
        )
    if data.startswith(_OTHER_TYPES):
        raise UnusableInput("image_type_unsupported", "This type of file is not read; use JPEG, PNG or WEBP.")
    raise UnusableInput("image_not_a_picture", "The file is not a picture.")


def _webp_size(data: bytes) -> tuple[int, int]:
    """Canvas width and height from a WEBP header (RFC 9649, sections 2.5 to 2.7)."""
    chunk = data[12:16]
    if len(data) < 30:
        raise UnusableInput("image_truncated", "The picture is cut short.")
    if chunk == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if chunk == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if chunk == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    raise UnusableInput("image_truncated", "The picture is damaged.")


def _too_many_pixels() -> UnusableInput:
    return UnusableInput("image_too_many_pixels", f"The picture has more than {MAX_PIXELS} pixels.")


def _bound(size: tuple[int, int]) -> None:
    width, height = size
    if width * height > MAX_PIXELS:
        raise _too_many_pixels()
    if min(width, height) < MIN_SIDE:
        raise UnusableInput(
            "image_too_small", f"The picture is {width}x{height} pixels; both sides must be at least {MIN_SIDE}."
        )


def _pixels(picture: Image.Image) -> Pixels:
    if picture.format in ("JPEG", "MPO"):
        picture.draft("RGB", (MAX_SIDE, MAX_SIDE))  # libjpeg then decodes a large picture at a half or a quarter
    picture.load()
    turn = _UPRIGHT.get(_orientation(picture))
    if turn is not None:
        picture = picture.transpose(turn)
    if picture.mode.startswith("I"):
        deep = np.asarray(picture).astype(np.int64)
        grey = np.clip(deep >> 8, 0, 255).astype(np.uint8)
        return np.ascontiguousarray(np.repeat(grey[:, :, None], 3, axis=2))
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        sheet = Image.new("RGBA", picture.size, "white")
        sheet.alpha_composite(picture)
        picture = sheet
    rgb = np.asarray(picture.convert("RGB"), dtype=np.uint8)
    return np.ascontiguousarray(rgb[:, :, ::-1])


def _orientation(picture: Image.Image) -> int:
    try:
        value = picture.getexif().get(_ORIENTATION_TAG, 1)
    except (OSError, SyntaxError, ValueError, struct.error, EOFError, KeyError, IndexError, TypeError):
        return 1  # a picture with damaged EXIF is still a picture: it is taken as it lies
    return value if isinstance(value, int) else 1


def _reduced(pixels: Pixels) -> Pixels:
    height, width = pixels.shape[:2]
    if max(height, width) <= MAX_SIDE:
        return pixels
    scale = MAX_SIDE / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
