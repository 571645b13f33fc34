"""People before a camera, for the tests: what the page's getUserMedia gives is made of pictures that the test has.

``performer`` is a real moving face (a clip of ``verification.clips``) that does what the page asks. The light of the
screen on the skin, and the nearing of the head, are computed (``verification.staging``): nobody in the clips was asked
for them. ``held_still`` is a photograph before a camera, ``replayed`` a recording that runs as it is.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import av
import cv2
import numpy as np
from playwright.async_api import Page, Route

from tests.browser.chromium import living_still, recorded
from verification import clips
from verification.challenge import FLASH_COLOURS, NEEDS, Kind, Script
from verification.clips import Shot, Take
from verification.contract import Pixels

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = Path(__file__).with_suffix(".js")
QUALITY = 95
WIDTH, HEIGHT = 480, 360
"""As actor.js draws them: what is larger would cost the browser time that the judge needs."""
NEAREST, NEARING = 1.55, 12
"""Growth of a face that comes nearer, and frames of it: as ``clips`` has it, at 12 a second (in actor.js)."""
RESTING = 8
"""Frames of the calm look; it runs to and fro."""
RATE = 20
TALK = 16
"""Frames of one spoken digit."""
SECONDS = 8.0


def clips_folder() -> Path:
    """Where the clips of real faces are: BETPE_CLIPS, or data/video of the shared folder beside the repository."""
    return Path(os.environ.get("BETPE_CLIPS") or ROOT.parent / "shared" / "data" / "video")


@dataclass(frozen=True)
class Reel:
    """Named sequences of pictures (JPEG), and whether they answer to what the page asks."""

    sequences: dict[str, list[bytes]]
    follows: bool = False

    async def put_into(self, page: Page) -> None:
        """Make this the page's camera. Before the page is opened."""
        places: dict[str, list[tuple[int, int]]] = {}
        pictures = bytearray()
        for name, sequence in self.sequences.items():
            places[name] = []
            for jpeg in sequence:
                places[name].append((len(pictures), len(pictures) + len(jpeg)))
                pictures += jpeg
        index = json.dumps({"follows": self.follows, "sequences": places})

        async def answer(route: Route) -> None:
            if route.request.url.endswith("index.json"):
                await route.fulfill(body=index, content_type="application/json")
            else:
                await route.fulfill(body=bytes(pictures), content_type="application/octet-stream")

        await page.route("**/test-reel/*", answer)
        await page.add_init_script(path=SCRIPT)


def held_still(picture: Path) -> Reel:
    """A photograph held to the camera: by a hand, so it moves and its light changes."""
    return Reel({"rest": _encoded(living_still(picture, SECONDS))})


def replayed(video: Path) -> Reel:
    """A recording that runs as it is, whatever is asked."""
    return Reel({"rest": _encoded(recorded(video, SECONDS))})


@cache
def performer(video: Path) -> Reel:
    """The person of a clip, who does each task that the clip shows; the needs of the others: ``needs_of``."""
    name = video.stem
    clip = clips.load(video.parent, name)
    cast = clip.cast
    first, last = cast.rest
    rest = [Shot(0.0, name, source) for source in range(first, last + 1)][:RESTING]
    sequences = {"rest": rest}
    for shade in FLASH_COLOURS.values():
        sequences[f"rest {_as_computed(shade)}"] = [Shot(0.0, name, shot.source, shade) for shot in rest]
    for kind, stretches in cast.acts.items():
        for number, stretch in enumerate(stretches):
            sequences[f"{kind}:{number}"] = [Shot(0.0, name, source) for source in _run_through(stretch)]
    for number, (begin, _) in enumerate(cast.talk):
        sequences[f"talk:{number}"] = [Shot(0.0, name, source) for source in range(begin, begin + TALK)]
    pictures = {key: _rendered(shots, clip) for key, shots in sequences.items()}
    nearer = _rendered([Shot(0.0, name, first, near=float(near)) for near in np.linspace(1, NEAREST, NEARING)], clip)
    pictures[Kind.COME_CLOSER] = [*nearer, *[nearer[-1]] * NEARING, *nearer[::-1]]
    return Reel(pictures, follows=True)


def needs_of(name: str) -> list[str]:
    """What the person of a clip has to say she cannot do, so that only tasks are drawn that the clip shows.

    Raises ValueError where no set of needs says it.
    """
    shown = clips.kinds_of([name])
    needs = [need for need, kinds in NEEDS.items() if not kinds & shown]
    left = set(Kind).difference(shown, *(NEEDS[need] for need in needs))
    if left:
        raise ValueError(f"{name} cannot show {', '.join(sorted(left))}")
    return needs


PORTRAIT_FRAMES = {"liveportrait_d10": 262}
"""A straight look that is in no part of the clip that is acted with (verification.clips.CASTS)."""


def portrait(video: Path, target: Path) -> Path:
    """One frame of a clip, as a photograph for the card: that of PORTRAIT_FRAMES, or the first."""
    number = PORTRAIT_FRAMES.get(video.stem, 0)
    with av.open(str(video)) as container:
        for place, frame in enumerate(container.decode(video=0)):
            if place == number:
                cv2.imwrite(str(target), frame.to_ndarray(format="bgr24"), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
                return target
    raise ValueError(f"{video.name} has no frame {number}")


def _run_through(stretch: clips.Stretch) -> list[int]:
    """Every frame number of a stretch such as (196, 170, 196)."""
    numbers = [stretch[0]]
    for start, end in itertools.pairwise(stretch):
        step = 1 if end > start else -1
        numbers += range(start + step, end + step, step)
    return numbers


def _as_computed(shade: str) -> str:
    """A colour as getComputedStyle writes it."""
    return "rgb({}, {}, {})".format(*(int(shade[i : i + 2], 16) for i in (1, 3, 5)))


def _rendered(shots: Sequence[Shot], clip: clips.Clip) -> list[bytes]:
    take = Take(Script((), 0.0), tuple(shots), ())
    return _encoded(frame.pixels for frame in clips.render(take, {clip.name: clip}))


def _encoded(pictures: Iterable[Pixels]) -> list[bytes]:
    found = []
    for pixels in pictures:
        small = cv2.resize(pixels, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
        done, jpeg = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
        assert done
        found.append(jpeg.tobytes())
    return found
