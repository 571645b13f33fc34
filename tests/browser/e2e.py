"""``make e2e PORTRAIT=face.jpg VIDEO=clip.mp4 EXPECT=issued|refused``: one whole session, and one JSON line of it.

A specimen card is drawn with the portrait (a picture, or a clip of which a frame is taken), the clip (or a picture,
made to move) is the citizen's camera. ``LIVENESS=required`` adds the liveness challenge: a clip that
``verification.clips`` knows does what it asks. ``ATTACK`` (one of ATTACKS) makes the session one of a deceiver.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.async_api import Error as BrowserError

from tests.browser import actor
from tests.browser.actor import Reel
from tests.browser.chromium import camera_file
from tests.browser.journey import TRIES, Opened, cards
from verification.clips import CASTS

STILLS = (".jpg", ".jpeg", ".png", ".webp")
"""A portrait of another kind is a clip, of which a frame is taken."""
ATTACKS = {
    "none": "nobody deceives",
    "still": "a photograph is held to the camera",
    "replay": "a recording runs before the camera, whatever is asked",
    "other_card": "the back is that of another person's card",
    "expired_card": "the card is past its last day",
}


async def acted(video: Path, attack: str, liveness: str) -> tuple[Reel | None, list[str]]:
    """The camera that the session needs beyond what a browser plays by itself, and the needs that go with it."""
    known = video.stem in CASTS
    if attack == "still":
        return await asyncio.to_thread(actor.held_still, video), []
    if attack == "replay":
        return await asyncio.to_thread(actor.replayed, video), []
    if liveness == "required" and known:
        return await asyncio.to_thread(actor.performer, video), actor.needs_of(video.stem)
    return None, []


async def run(
    portrait: Path,
    video: Path,
    wanted: str,
    folder: Path,
    screenshots: Path | None = None,
    attack: str = "none",
    liveness: str = "offered",
) -> dict[str, Any]:
    """The whole session; what happened, as the JSON line says it. ``met``: whether it ended as expected."""
    async with Opened() as stack:
        reel, needs = await acted(video, attack, liveness)
        if portrait.suffix.lower() not in STILLS:
            portrait = await asyncio.to_thread(actor.portrait, portrait, folder / "portrait.jpg")
        front, back = await cards(portrait, folder, attack)
        camera = await asyncio.to_thread(camera_file, video, folder / "camera.mjpeg") if reel is None else None
        await stack.start(folder, {"BETPE_LIVENESS": liveness}, camera)
        journey = await stack.admit(folder, reel, screenshots)
        report: dict[str, Any] = {"expected": wanted, "attack": attack, "liveness_is": liveness}
        journey.stages.done("start")
        try:
            await journey.sign_in()
            await journey.apply(front, back)
            await journey.meet()
            await journey.picture(journey.citizen, "citizen-call")
            report["comparison"] = await journey.interview()
            report["score"] = journey.score
            if liveness == "required":
                check = await journey.passed_challenge(needs, TRIES if wanted == "issued" else 1)
                report["liveness"] = {name: check[name] for name in ("outcome", "reasons", "details")}
            if wanted == "issued":
                await journey.examine()
                report["features"] = (await journey.check("security_features"))["outcome"]
            signs = await journey.check("injection")
            report["injection"] = {name: signs[name] for name in ("outcome", "score", "reasons", "details")}
            report["blocking"] = await journey.blocking()
            if wanted == "issued":
                await journey.approve()
                await journey.wrap_up()
                collected = await journey.collect()
                report["subject"] = collected["subject"]
                report["files"] = {name: str(collected[name]) for name in ("p12", "chain")}
            else:
                report["refused"] = await journey.try_to_approve_by_every_way()
                await journey.reject()
                await journey.wrap_up()
        except (BrowserError, AssertionError) as error:
            report["error"] = " ".join(line.strip() for line in str(error).splitlines()[:4])
            await journey.picture(journey.citizen, "failed-citizen")
            await journey.picture(journey.consultant, "failed-consultant")
        try:
            report["state"] = await journey.session_state()
            report["session"] = await journey.session_id()
        except (BrowserError, KeyError):
            report["state"] = "unknown"
        report["seconds"] = journey.stages.seconds
        report["log"] = [line for line in journey.served.log if '"level": "error"' in line or "Traceback" in line]
        if "session" in report:
            report["dossier"] = json.loads(await journey.served.command("dossier", "--", report["session"]))
    end = {"issued": ("issued",), "refused": ("rejected",)}[wanted]
    report["met"] = report["state"] in end and "error" not in report and not report["log"]
    return report


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--portrait", type=Path, required=True)
    parser.add_argument("--video", type=Path, required=True)
    parser.add_argument("--expect", choices=("issued", "refused"), default="issued")
    parser.add_argument("--attack", choices=tuple(ATTACKS), default="none")
    parser.add_argument("--liveness", choices=("offered", "required"), default="offered")
    parser.add_argument("--screenshots", type=Path)
    asked = parser.parse_args()
    for file in (asked.portrait, asked.video):
        if not file.is_file():
            print(f"no such file: {file}", file=sys.stderr)
            return 2
    with tempfile.TemporaryDirectory(prefix="betpe-e2e-") as folder:
        report = asyncio.run(
            run(
                asked.portrait, asked.video, asked.expect, Path(folder), asked.screenshots, asked.attack, asked.liveness
            )
        )
    report.pop("dossier", None)
    report.pop("files", None)
    print(json.dumps(report, ensure_ascii=False))
    return 0 if report["met"] else 1


if __name__ == "__main__":
    sys.exit(main())
