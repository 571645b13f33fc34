"""Real Chromiums for the tests: where it is, how it is started, and a camera that plays a given picture or clip."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import av
import cv2
import numpy as np
from playwright.async_api import Browser, Playwright

from verification.detector import detect

CAMERA_WIDTH, CAMERA_HEIGHT, CAMERA_FPS = 640, 480, 20

FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    # The peers of these tests are on one machine, which may have no other address than 127.0.0.1.
    "--allow-loopback-in-peer-connection",
    "--autoplay-policy=no-user-gesture-required",
)


def executable() -> str:
    """Chromium's path. Raises RuntimeError that says how to install it."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        path = shutil.which(name)
        if path:
            return path
    raise RuntimeError("No Chromium is installed. Debian, Ubuntu: apt-get install chromium")


@asynccontextmanager
async def launch(
    playwright: Playwright, camera: Path | None = None, path: str | None = None, secure: str | None = None
) -> AsyncIterator[Browser]:
    """A headless Chromium whose camera plays the file (MJPEG), or Chromium's own test picture.

    ``path``: another Chromium than the installed one. ``secure``: an http origin that it treats as a secure one.
    """
    arguments = [*FLAGS, *([f"--unsafely-treat-insecure-origin-as-secure={secure}"] if secure else [])]
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")  # Chromium refuses to start as root with it
    if camera is not None:
        arguments.append(f"--use-file-for-fake-video-capture={camera}")
    browser = await playwright.chromium.launch(executable_path=path or executable(), args=arguments)
    try:
        yield browser
    finally:
        await browser.close()


def _fit(picture: np.ndarray, middle: float = 0.42) -> np.ndarray:
    """Cut to the camera's shape, a tall picture round ``middle`` of its height (faces stand above half), and scale."""
    height, width = picture.shape[:2]
    wanted = CAMERA_WIDTH / CAMERA_HEIGHT
    if width / height > wanted:
        cut = round(height * wanted)
        left = (width - cut) // 2
        picture = picture[:, left : left + cut]
    else:
        cut = round(width / wanted)
        top = min(max(0, round(middle * height - cut / 2)), height - cut)
        picture = picture[top : top + cut]
    return cv2.resize(picture, (CAMERA_WIDTH, CAMERA_HEIGHT), interpolation=cv2.INTER_AREA)


def recorded(path: Path, seconds: float) -> Iterator[np.ndarray]:
    """The clip's beginning at the camera's rate and shape."""
    with av.open(str(path)) as container:
        step, due = 1 / CAMERA_FPS, 0.0
        for frame in container.decode(video=0):
            moment = float(frame.time or 0.0)
            if moment > seconds:
                return
            while moment >= due:
                due += step
                yield _fit(frame.to_ndarray(format="bgr24"))


def living_still(path: Path, seconds: float) -> Iterator[np.ndarray]:
    """A picture, moved and lit differently frame by frame, as a hand-held camera would see it."""
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise ValueError(f"not a picture: {path.name}")
    found = detect(picture)
    if not found:
        raise ValueError(f"nobody's face is in {path.name}")
    middle = (found[0].y + found[0].height / 2) / picture.shape[0]
    random = np.random.default_rng(7)
    height, width = picture.shape[:2]
    for number in range(round(seconds * CAMERA_FPS)):
        phase = 2 * np.pi * number / (seconds * CAMERA_FPS)
        turn = cv2.getRotationMatrix2D((width / 2, height / 2), 2.5 * np.sin(phase), 1.02 + 0.02 * np.sin(2 * phase))
        turn[:, 2] += (0.012 * width * np.sin(phase), 0.01 * height * np.cos(phase))
        moved = cv2.warpAffine(picture, turn, (width, height), borderMode=cv2.BORDER_REPLICATE)
        lit = moved.astype(np.float32) * (1 + 0.12 * np.sin(3 * phase)) + random.normal(0, 3, moved.shape)
        yield _fit(np.clip(lit, 0, 255).astype(np.uint8), middle)


def quiet_camera(picture: Path, target: Path) -> Path:
    """As ``camera_file`` of a picture, small and slow (Y4M, whose rate Chromium keeps to): for who only has to be
    there, so that two browsers on two cores have time for the other end."""
    width, height, rate, seconds = 320, 240, 10, 2.0
    with target.open("wb") as file:
        file.write(f"YUV4MPEG2 W{width} H{height} F{rate}:1 Ip A1:1 C420\n".encode())
        for frame in itertools.islice(living_still(picture, seconds), 0, None, round(CAMERA_FPS / rate)):
            small = cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA)
            file.write(b"FRAME\n" + cv2.cvtColor(small, cv2.COLOR_BGR2YUV_I420).tobytes())
    return target


def camera_file(source: Path, target: Path, seconds: float = 8.0) -> Path:
    """Write what Chromium's camera shall play (it repeats it): an MJPEG of a clip, or of a picture made to move."""
    pictures = source.suffix.lower() in (".jpg", ".jpeg", ".png")
    frames: Iterable[np.ndarray] = living_still(source, seconds) if pictures else recorded(source, seconds)
    count = 0
    with target.open("wb") as file:
        for frame in frames:
            done, jpeg = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, 92])
            if not done:
                raise ValueError("a frame could not be encoded")
            file.write(jpeg.tobytes())
            count += 1
    if count == 0:
        raise ValueError(f"no frame in {source.name}")
    return target
