"""Bytes that people may send as a picture: what is read, what is refused, with which code."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from verification import images
from verification.contract import UnusableInput

DATA = Path(__file__).parent.parent / "data"


def _bytes(picture: Image.Image, kind: str, **options: object) -> bytes:
    target = io.BytesIO()
    picture.save(target, kind, **options)
    return target.getvalue()


def _two_tone(width: int = 200, height: int = 120) -> Image.Image:
    """Red left half, blue right half."""
    picture = Image.new("RGB", (width, height), (255, 0, 0))
    picture.paste((0, 0, 255), (width // 2, 0, width, height))
    return picture


def _png_header(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk)) + b"\0\0\0\1IDAT"


def _code(data: bytes) -> str:
    with pytest.raises(UnusableInput) as caught:
        images.decode(data)
    assert caught.value.code in images.CODES
    assert caught.value.message
    return caught.value.code


@pytest.mark.parametrize(("kind", "options"), [("JPEG", {"quality": 95}), ("PNG", {}), ("WEBP", {"lossless": True})])
def test_three_types_decode_to_bgr(kind: str, options: dict[str, object]) -> None:
    pixels = images.decode(_bytes(_two_tone(), kind, **options))
    assert pixels.shape == (120, 200, 3)
    assert pixels.dtype == np.uint8
    assert pixels[60, 20, 2] > 240 and pixels[60, 20, 0] < 15  # red is the last channel
    assert pixels[60, 180, 0] > 240 and pixels[60, 180, 2] < 15


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation: int) -> None:
    upright = np.zeros((120, 200, 3), np.uint8)
    upright[:60, :100] = 255  # the upper left quarter
    undo = {2: 2, 3: 3, 4: 4, 5: 5, 6: 8, 7: 7, 8: 6}
    stored = Image.fromarray(upright)
    if orientation in undo:
        stored = stored.transpose(images._UPRIGHT[undo[orientation]])
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = images.decode(_bytes(stored, "JPEG", quality=95, exif=exif))
    assert pixels.shape == upright.shape
    assert np.abs(pixels.astype(int) - upright).mean() < 3


def test_empty() -> None:
    assert _code(b"") == "image_empty"


def test_too_many_bytes_are_refused_before_anything_is_read() -> None:
    assert _code(b"\xff\xd8\xff" + bytes(images.MAX_BYTES)) == "image_too_large"


@pytest.mark.parametrize("data", [b"hello, world", b"\x00" * 64, b"\x1aE\xdf\xa3" + bytes(100)])
def test_not_a_picture(data: bytes) -> None:
    assert _code(data) == "image_not_a_picture"


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\x00\x00\x18ftypheic" + bytes(64),
        b"\x00\x00\x00\x1cftypavif" + bytes(64),
        b"%PDF-1.7" + bytes(64),
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    ],
)
def test_types_that_are_not_read(data: bytes) -> None:
    assert _code(data) == "image_type_unsupported"


@pytest.mark.parametrize("kind", ["GIF", "BMP", "TIFF"])
def test_other_picture_types_are_not_read(kind: str) -> None:
    assert _code(_bytes(_two_tone(), kind)) == "image_type_unsupported"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("kept", [0.02, 0.5, 0.9])
def test_truncated(kind: str, kept: float) -> None:
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 255, (300, 300, 3), np.uint8))
    data = _bytes(noise, kind)
    assert _code(data[: int(len(data) * kept)]) == "image_truncated"


def test_60_megapixels_are_refused_by_their_header_alone() -> None:
    assert _code(_png_header(10_000, 6_000)) == "image_too_many_pixels"


def test_60_megapixels_jpeg() -> None:
    assert _code(_bytes(Image.new("L", (10_000, 6_000)), "JPEG")) == "image_too_many_pixels"


def test_pixel_bomb_beyond_pillows_own_limit() -> None:
    assert _code(_png_header(60_000, 60_000)) == "image_too_many_pixels"


def test_webp_bomb_is_refused_by_its_header_alone() -> None:
    canvas = (16382).to_bytes(3, "little")
    data = b"RIFF" + (22).to_bytes(4, "little") + b"WEBPVP8X" + (10).to_bytes(4, "little") + bytes(4) + canvas * 2
    assert _code(data) == "image_too_many_pixels"


@pytest.mark.parametrize("options", [{"quality": 80}, {"lossless": True}, {"quality": 80, "exif": Image.Exif()}])
def test_webp_header_is_read_as_pillow_reads_it(options: dict[str, object]) -> None:
    data = _bytes(_two_tone(201, 123), "WEBP", **options)
    assert images._webp_size(data) == (201, 123)


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_animated(kind: str) -> None:
    second = _two_tone().transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    assert _code(_bytes(_two_tone(), kind, save_all=True, append_images=[second])) == "image_animated"


def test_a_phones_multi_picture_jpeg_is_a_still() -> None:
    data = _bytes(_two_tone(), "MPO", save_all=True, append_images=[_two_tone(100, 60)])
    assert images.decode(data).shape == (120, 200, 3)


def test_too_small() -> None:
    assert _code(_bytes(_two_tone(47, 200), "PNG")) == "image_too_small"


def test_large_pictures_are_reduced() -> None:
    assert images.decode(_bytes(Image.new("L", (6000, 5000)), "PNG")).shape == (3413, 4096, 3)


def test_transparency_lies_over_white_and_deep_grey_is_kept() -> None:
    clear = images.decode(_bytes(Image.new("RGBA", (60, 60), (0, 0, 0, 0)), "PNG"))
    assert clear.min() == 255
    deep = Image.fromarray(np.full((60, 60), 0x8000, np.uint16))
    assert set(np.unique(images.decode(_bytes(deep, "PNG")))) == {128}


def test_jpeg_round_trip() -> None:
    pixels = images.decode((DATA / "obama.jpg").read_bytes())
    again = images.decode(images.encode_jpeg(pixels, 95))
    assert again.shape == pixels.shape
    assert np.abs(again.astype(int) - pixels).mean() < 2


def test_encode_refuses_what_is_no_picture() -> None:
    with pytest.raises(ValueError, match="shape"):
        images.encode_jpeg(np.zeros((4, 4), np.uint8))


@settings(max_examples=60, deadline=None)
@given(
    st.binary(max_size=400),
    st.sampled_from([b"", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"RIFF\x00\x01\x00\x00WEBP"]),
)
def test_any_bytes_either_decode_or_are_refused_with_a_code(tail: bytes, head: bytes) -> None:
    try:
        pixels = images.decode(head + tail)
    except UnusableInput as refusal:
        assert refusal.code in images.CODES
    else:
        assert pixels.ndim == 3


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 255), st.sampled_from(["JPEG", "PNG", "WEBP"]))
def test_a_flipped_byte_never_escapes_as_another_exception(place: int, value: int, kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = bytearray(_bytes(_two_tone(64, 64), kind, exif=exif))
    data[place % len(data)] = value
    try:
        images.decode(bytes(data))
    except UnusableInput as refusal:
        assert refusal.code in images.CODES
