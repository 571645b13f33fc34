"""Conditions under which faces are compared: what a card and a webcam do to a picture.

Error rates measured on sharp press photographs say little about a printed portrait held to a phone. These two
functions make the two sides of that comparison from any pair of face pictures laid out like LFW (250x250, face
centred), seeded, so that every run gives the same pixels:

- ``card_portrait``: 120x160 pixels, faded ink, colour cast, fine-line print over the face, laminate glare, a little
  perspective, blur, noise, JPEG;
- ``webcam_clip``: 640x480 frames with another exposure, white balance, side light, sensor noise and movement,
  through a real VP8 encoder at 300-500 kbit/s and its decoder (PyAV, libvpx).

The parameter ranges are choices, not measurements of one printer or camera; docs/models.md says what they stand for.
"""

from __future__ import annotations

import zlib
from fractions import Fraction
from typing import Final

import av
import cv2
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from verification.contract import Pixels

PORTRAIT_SIZE: Final = (120, 160)
"""Width and height in pixels of a portrait cut from a card photographed at about 6 pixels a millimetre."""
WEBCAM_SIZE: Final = (640, 480)
CLIP_FRAMES: Final = 5
FRAMES_PER_SECOND: Final = 15

_Floats = NDArray[np.float32]


def seed_of(name: str) -> int:
    """The seed of a picture: CRC-32 of its file name, so that a picture looks the same in every run and subset."""
    return zlib.crc32(name.encode())


def card_portrait(picture: Pixels, seed: int) -> Pixels:
    """The picture as a printed card portrait of PORTRAIT_SIZE, BGR."""
    random = np.random.default_rng(seed)
    width, height = PORTRAIT_SIZE
    shaded = cv2.resize(_portrait_window(picture).astype(np.float32), PORTRAIT_SIZE, interpolation=cv2.INTER_AREA)
    portrait: _Floats = np.asarray(shaded, dtype=np.float32)
    grey = portrait.mean(axis=2, keepdims=True)
    portrait = grey + (portrait - grey) * np.float32(random.uniform(0.35, 0.85))  # ink: less saturation,
    portrait = (portrait - 128) * np.float32(random.uniform(0.65, 0.95)) + 128 + np.float32(random.uniform(-12, 18))
    portrait = portrait * (1 + random.uniform(-0.10, 0.10, size=(1, 1, 3)).astype(np.float32))
    portrait = portrait + _fine_lines(random, width, height)
    if random.random() < 0.35:
        portrait = portrait + _glare(random, width, height)
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    moved = corners + random.uniform(-0.03, 0.03, size=(4, 2)).astype(np.float32) * np.array(PORTRAIT_SIZE, np.float32)
    bent = cv2.warpPerspective(
        portrait, cv2.getPerspectiveTransform(corners, moved), PORTRAIT_SIZE, borderMode=cv2.BORDER_REPLICATE
    )
    blurred = cv2.GaussianBlur(bent, (0, 0), random.uniform(0.5, 1.1))
    noisy = blurred + random.normal(0, random.uniform(1.5, 4), blurred.shape)
    printed = np.clip(noisy, 0, 255).astype(np.uint8)
    _, encoded = cv2.imencode(".jpg", printed, [cv2.IMWRITE_JPEG_QUALITY, int(random.integers(38, 66))])
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), dtype=np.uint8)


def webcam_clip(picture: Pixels, seed: int) -> list[Pixels]:
    """CLIP_FRAMES frames of WEBCAM_SIZE as a receiver decodes them, in order. The last one may be blurred by motion."""
    random = np.random.default_rng(seed ^ 0x5EED)
    width, height = WEBCAM_SIZE
    side = int(250 * random.uniform(1.5, 2.0))  # the face is then about 140 to 190 pixels wide
    lit = _relit(random, picture, side)
    room = cv2.GaussianBlur(cv2.resize(lit, WEBCAM_SIZE), (0, 0), 28)  # no border of the picture shows: plain room
    margin = side // 14
    mask = np.zeros((side, side), np.float32)
    mask[margin:-margin, margin:-margin] = 1
    mask = np.asarray(cv2.GaussianBlur(mask, (0, 0), margin / 2.5), dtype=np.float32)
    left = (width - side) // 2 + int(random.uniform(-40, 40))
    top = (height - side) // 2 + int(random.uniform(-10, 10))
    frames: list[Pixels] = []
    right = down = 0.0
    noise = random.uniform(2, 7)
    for _ in range(CLIP_FRAMES):
        right += random.uniform(-3, 3)
        down += random.uniform(-2, 2)
        place = np.array([[1, 0, left + right], [0, 1, top + down]], np.float32)
        cover = np.asarray(cv2.warpAffine(mask, place, WEBCAM_SIZE))[..., None]
        scene = cv2.warpAffine(lit, place, WEBCAM_SIZE) * cover + room * (1 - cover)
        scene = scene + random.normal(0, noise, (height, width, 1)) + random.normal(0, noise * 0.4, scene.shape)
        frames.append(np.clip(scene, 0, 255).astype(np.uint8))
    if random.random() < 0.4:
        frames[-1] = np.asarray(cv2.blur(frames[-1], (int(random.integers(3, 8)), 1)), dtype=np.uint8)
    return through_vp8(frames, int(random.integers(300, 501)))


def through_vp8(frames: list[Pixels], kilobits: int, frames_per_second: int = FRAMES_PER_SECOND) -> list[Pixels]:
    """Encode as a browser's live VP8 would (real time, constant rate, no second key frame) and decode again."""
    height, width = frames[0].shape[:2]
    encoder = VideoCodecContext.create("libvpx", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.bit_rate = kilobits * 1000
    encoder.time_base = Fraction(1, frames_per_second)
    encoder.framerate = Fraction(frames_per_second, 1)
    encoder.gop_size = 3000
    rate = str(kilobits * 1000)
    encoder.options = {
        "deadline": "realtime", "cpu-used": "-6", "lag-in-frames": "0", "error-resilient": "1", "threads": "1",
        "minrate": rate, "maxrate": rate, "bufsize": rate, "undershoot-pct": "100",
        "qmin": "2", "qmax": "56", "noise-sensitivity": "4",
    }  # fmt: skip
    decoder = VideoCodecContext.create("vp8", "r")
    received: list[Pixels] = []
    for number, pixels in enumerate(frames):
        frame = VideoFrame.from_ndarray(pixels, format="bgr24").reformat(format="yuv420p")
        frame.pts, frame.time_base = number, Fraction(1, frames_per_second)
        received += _decoded(decoder, encoder.encode(frame))
    return received + _decoded(decoder, encoder.encode(None))


def _decoded(decoder: VideoCodecContext, packets: list[av.Packet[av.VideoStream]]) -> list[Pixels]:
    return [
        np.asarray(frame.to_ndarray(format="bgr24"), dtype=np.uint8)
        for packet in packets
        for frame in decoder.decode(packet)
    ]


def _portrait_window(picture: Pixels) -> Pixels:
    """A 3:4 window round the face of an LFW picture."""
    height, width = picture.shape[:2]
    left, right = int(width * 0.19), int(width * 0.81)
    tall = int((right - left) * 4 / 3)
    top = max(0, min(height - tall, int(height * 0.47 - tall / 2)))
    return picture[top : top + tall, left:right]


def _grid(width: int, height: int) -> tuple[_Floats, _Floats]:
    rows, columns = np.arange(height, dtype=np.float32), np.arange(width, dtype=np.float32)
    x, y = np.meshgrid(columns, rows)
    return np.asarray(y, dtype=np.float32), np.asarray(x, dtype=np.float32)


def _fine_lines(random: np.random.Generator, width: int, height: int) -> _Floats:
    """Guilloche: three families of wavy lines in one ink."""
    y, x = _grid(width, height)
    lines = np.zeros((height, width), np.float64)
    for _ in range(3):
        pitch, sway, wave = random.uniform(0.25, 0.6), random.uniform(3, 9), random.uniform(0.02, 0.07)
        lines += np.sin((y + sway * np.sin(x * wave + random.uniform(0, 6))) * pitch * np.pi)
    ink = random.uniform(-1, 1, 3)
    strength = random.uniform(4, 12) * (1 + 0.5 * ink)
    return (np.clip(lines / 3, -1, 1)[..., None] * strength).astype(np.float32)


def _glare(random: np.random.Generator, width: int, height: int) -> _Floats:
    y, x = _grid(width, height)
    across, down, spread = random.uniform(0, width), random.uniform(0, height), random.uniform(12, 30)
    spot = random.uniform(20, 70) * np.exp(-((x - across) ** 2 + (y - down) ** 2) / (2 * spread * spread))
    return np.asarray(spot[..., None], dtype=np.float32)


def _relit(random: np.random.Generator, picture: Pixels, side: int) -> _Floats:
    """The picture enlarged, at another exposure and white balance, lit a little from one side."""
    large = cv2.resize(picture, (side, side), interpolation=cv2.INTER_CUBIC).astype(np.float32)
    gamma, gain = random.uniform(0.65, 1.5), random.uniform(0.75, 1.2)
    exposed = 255 * np.clip(large / 255 * gain, 0, 1) ** gamma
    balanced = np.clip(exposed * (1 + random.uniform(-0.12, 0.12, size=(1, 1, 3))), 0, 255)
    across = np.linspace(-1, 1, side, dtype=np.float32)[None, :, None]
    return np.asarray(balanced * (1 + random.uniform(-0.25, 0.25) * across), dtype=np.float32)
