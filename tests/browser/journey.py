"""One whole session in two real browsers, through the real server on a fresh database: the two people, step by step."""

from __future__ import annotations

import asyncio
import re
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from playwright.async_api import Browser, Locator, Page, ViewportSize, async_playwright, expect
from skimage import data

from server.proofing import STEPS
from tests.browser.actor import Reel
from tests.browser.chromium import camera_file, launch, quiet_camera
from tests.browser.served import Served

PATIENCE = 60_000
"""Milliseconds for one step of a page on a machine of two busy cores."""
PHONE = ViewportSize(width=360, height=640)
DESKTOP = ViewportSize(width=1440, height=900)
PASSWORD = "Betpe-bet 2026 aigul"
CHALLENGE_SECONDS = 150.0
"""The service ends a challenge after 120 s."""
TRIES = 3
"""An inconclusive challenge is asked again, as the panel tells the consultant."""
OTHER_SEED = 1000


def by(page: Page, testid: str) -> Locator:
    return page.get_by_test_id(testid)


@dataclass
class Stages:
    """Seconds of each stage, in order."""

    seconds: dict[str, float] = field(default_factory=dict)
    _since: float = field(default_factory=time.monotonic)

    def done(self, name: str) -> None:
        now = time.monotonic()
        self.seconds[name] = round(now - self._since, 2)
        self._since = now


@dataclass
class Journey:
    """The two people and what they do."""

    served: Served
    citizen: Page
    consultant: Page
    folder: Path
    stages: Stages = field(default_factory=Stages)
    screenshots: Path | None = None
    score: float | None = None

    async def picture(self, page: Page, name: str) -> None:
        if self.screenshots is not None:
            self.screenshots.mkdir(parents=True, exist_ok=True)
            await page.screenshot(path=str(self.screenshots / f"{name}.png"))

    # --- the citizen ---------------------------------------------------------------------------------

    async def apply(self, front: Path, back: Path, language: str = "kk") -> None:
        """From the welcome to the queue."""
        page = self.citizen
        await page.goto(self.served.url + "/")
        await by(page, f"language-{language}").first.click()
        await by(page, "begin").click()
        await self.picture(page, "citizen-device")
        await by(page, "device-continue").click(timeout=PATIENCE)
        for side, file in (("front", front), ("back", back)):
            await by(page, f"file-{side}").set_input_files(str(file))
            await expect(by(page, "card-usable")).to_be_visible(timeout=PATIENCE)
            await self.picture(page, f"citizen-card-{side}")
            await by(page, "card-continue").click()
        self.stages.done("card")
        await self.picture(page, "citizen-check")
        await by(page, "confirm-evidence").click(timeout=PATIENCE)
        await self.on_screen(page, "waiting", "call")
        self.stages.done("confirm")

    async def on_screen(self, page: Page, *names: str) -> None:
        """Wait until body[data-screen] is one of the names."""
        selector = ", ".join(f'body[data-screen="{name}"]' for name in names)
        await page.locator(selector).wait_for(state="attached", timeout=PATIENCE)

    async def collect(self) -> dict[str, Any]:
        """Choose a password, have the keys made, save the file; paths and the certificate's subject."""
        page = self.citizen
        await self.on_screen(page, "signature")
        await self.picture(page, "citizen-signature")
        await by(page, "password").fill(PASSWORD)
        await by(page, "make-signature").click()
        await expect(by(page, "certificate-subject").first).to_be_visible(timeout=2 * PATIENCE)
        self.stages.done("signature")
        subject = (await by(page, "certificate-subject").first.inner_text()).strip()
        await self.picture(page, "citizen-save")
        async with page.expect_download() as waiting:
            await by(page, "save-p12").click()
        p12 = self.folder / "signature.p12"
        await (await waiting.value).save_as(p12)
        if await by(page, "confirm-saved").count():
            await by(page, "confirm-saved").click()
        await expect(by(page, "save-chain").first).to_be_visible(timeout=PATIENCE)
        async with page.expect_download() as waiting:
            await by(page, "save-chain").first.click()
        chain = self.folder / "chain.pem"
        await (await waiting.value).save_as(chain)
        await self.picture(page, "citizen-certificate")
        return {"subject": subject, "p12": p12, "chain": chain}

    # --- the consultant ------------------------------------------------------------------------------

    async def sign_in(self) -> None:
        page = self.consultant
        await page.goto(self.served.link)
        await expect(by(page, "ready")).to_be_visible(timeout=PATIENCE)
        assert "token" not in page.url
        await by(page, "ready").click()

    async def meet(self) -> None:
        """Both see each other's live picture."""
        await self.on_screen(self.citizen, "call")
        for page in (self.citizen, self.consultant):
            video = by(page, "call-remote")
            await video.wait_for(timeout=PATIENCE)
            await self.plays(video)
        self.stages.done("first_picture")

    async def plays(self, video: Locator) -> None:
        """Wait until a video element shows new pictures."""
        deadline = time.monotonic() + PATIENCE / 1000
        shown = -1
        while time.monotonic() < deadline:
            count = await video.evaluate("v => v.videoWidth ? v.getVideoPlaybackQuality().totalVideoFrames : -1")
            if shown >= 0 and count > shown + 2:
                return
            shown = max(shown, count)
            await asyncio.sleep(0.2)
        raise AssertionError("no moving picture arrived")

    async def interview(self) -> str:
        """The script to its end, then the comparison; its outcome."""
        page = self.consultant
        for _ in range(6):
            before = await self.done_steps()
            await expect(by(page, f"step-{STEPS[before]}")).to_have_attribute("aria-current", "step", timeout=PATIENCE)
            await expect(by(page, "step-next")).to_be_enabled(timeout=PATIENCE)
            await page.keyboard.press("Space")
            await self.until_steps(before + 1)
        await page.keyboard.press("KeyC")
        await expect(by(page, "stills").locator("img").first).to_be_visible(timeout=PATIENCE)
        return await self.compare()

    async def examine(self) -> None:
        """The security features that the server picked, each confirmed with a key."""
        page, panel = self.consultant, by(self.consultant, "features-panel")
        await page.keyboard.press("KeyH")
        await panel.wait_for(timeout=PATIENCE)
        await self.picture(page, "consultant-features")
        while current := await panel.get_attribute("data-current"):
            await expect(by(page, "feature-confirmed")).to_be_enabled(timeout=PATIENCE)
            await page.keyboard.press("KeyY")
            await expect(panel).not_to_have_attribute("data-current", current, timeout=PATIENCE)
        await page.keyboard.press("Escape")
        self.stages.done("features")

    async def compare(self) -> str:
        page = self.consultant
        self.stages.done("script")
        before = await page.evaluate(
            "() => document.querySelector('[data-testid=match-outcome]')?.dataset.outcome ?? ''"
        )
        await by(page, "compare").click()
        outcome = by(page, "match-outcome").first
        await expect(outcome).to_have_attribute("data-outcome", NOT_EMPTY, timeout=PATIENCE)
        score = by(page, "score").first
        if await score.count():
            await expect(score).to_be_visible(timeout=PATIENCE)
            self.score = float(await score.get_attribute("data-score") or "nan")
        result = await outcome.get_attribute("data-outcome") or before
        self.stages.done("compare")
        await expect(by(page, "compare")).to_be_enabled(timeout=PATIENCE)  # the signs of the sender are judged last
        if self.screenshots is not None:
            probe = by(page, "match-probe").first
            while await probe.count() and not await probe.evaluate("image => image.complete && image.naturalWidth > 0"):
                await asyncio.sleep(0.1)
        await self.picture(page, "consultant-compared")
        return result

    async def challenge(self, needs: Sequence[str] = ()) -> dict[str, Any]:
        """A liveness challenge, begun with what the citizen says she cannot do; its check, when it is over."""
        page = self.consultant
        await page.keyboard.press("KeyL")
        for need in needs:
            await by(page, f"need-{need}").check()
        await by(page, "challenge-begin").click()
        await by(page, "challenge-running").wait_for(timeout=PATIENCE)
        await by(self.citizen, "challenge-prompt").wait_for(timeout=PATIENCE)
        await self.picture(page, "consultant-challenge")
        await self.picture(self.citizen, "citizen-challenge")
        # On a machine that plays all parts, what nobody watches now need not be drawn.
        for one in (page, self.citizen):
            await by(one, "call-remote").evaluate("video => video.pause()")
        await expect(by(page, "challenge-running")).to_have_count(0, timeout=1000 * CHALLENGE_SECONDS)
        await expect(by(self.citizen, "challenge-prompt")).to_have_count(0, timeout=PATIENCE)
        for one in (page, self.citizen):
            await by(one, "call-remote").evaluate("video => video.play()")
        self.stages.done("challenge")
        await self.picture(page, "consultant-challenged")
        return await self.check("liveness")

    async def passed_challenge(self, needs: Sequence[str], tries: int) -> dict[str, Any]:
        """As ``challenge``; an inconclusive one is asked again, as the panel advises."""
        result = await self.challenge(needs)
        for _ in range(tries - 1):
            if result["outcome"] != "inconclusive":
                break
            result = await self.challenge(needs)
        return result

    async def check(self, name: str) -> dict[str, Any]:
        """The newest result of a check in the consultant's snapshot."""
        checks = (await self.operator_snapshot())["case"]["checks"]
        return next(dict(check) for check in checks if check["check"] == name)

    async def blocking(self) -> dict[str, str]:
        """What stands in the way of an approval: part -> its outcome."""
        parts = (await self.operator_snapshot())["case"]["recommendation"]["parts"]
        return {part["check"]: part["outcome"] for part in parts if part["effect"] == "blocks"}

    async def done_steps(self) -> int:
        case = (await self.operator_snapshot())["case"]
        return len(case["steps"])

    async def until_steps(self, count: int) -> None:
        deadline = time.monotonic() + PATIENCE / 1000
        while await self.done_steps() < count:
            if time.monotonic() > deadline:
                raise AssertionError(f"step {count} was not recorded")
            await asyncio.sleep(0.1)

    async def operator_snapshot(self) -> dict[str, Any]:
        response = await self.consultant.request.get(self.served.url + "/api/operator")
        return dict(await response.json())

    async def approve(self) -> None:
        """Approve, with a reason where the policy asks for one; until it is sealed."""
        page = self.consultant
        await by(page, "approve").click(timeout=PATIENCE)
        if await by(page, "decision-form").count():
            await by(page, "override-reason").fill("Compared by eye in the call.")
            await by(page, "decision-confirm").click()
        await by(page, "undo").wait_for(timeout=PATIENCE)
        await self.picture(page, "consultant-undo")
        await self.on_screen(self.citizen, "signature")
        self.stages.done("approval_sealed")

    async def try_to_approve_by_every_way(self) -> list[str]:
        """The button, the key, the API with every body; what refused. Raises AssertionError when one went through."""
        page = self.consultant
        refused = []
        assert await by(page, "approve").count() == 0, "Approve is offered"
        refused.append("panel: not offered")
        await page.keyboard.press("KeyA")
        await asyncio.sleep(0.5)
        assert (await self.operator_snapshot())["case"]["state"] == "in_call"
        refused.append("key: nothing happens")
        for override in ("", "I know this person"):
            body = {"outcome": "approve", "override_reason": override, "reason_code": "", "note": ""}
            answer = await page.request.post(self.served.url + "/api/operator/case/decision", data=body)
            assert answer.status == 409, answer.status
            refused.append("api: " + (await answer.json())["error"]["code"])
        answer = await self.citizen.request.post(
            self.served.url + "/api/session/issuance", data={"sign": "AAAA", "auth": "AAAA"}
        )
        assert answer.status == 409, answer.status
        refused.append("issuance: " + (await answer.json())["error"]["code"])
        await self.picture(page, "consultant-refused")
        return refused

    async def reject(self) -> None:
        page = self.consultant
        await by(page, "reject").click()
        await by(page, "reason-1").click()
        if await by(page, "decision-confirm").count():
            await by(page, "decision-confirm").click()
        await self.on_screen(self.citizen, "rejected")
        await self.picture(self.citizen, "citizen-rejected")

    async def wrap_up(self) -> None:
        await by(self.consultant, "wrap-up-done").click(timeout=PATIENCE)
        await expect(by(self.consultant, "wrap-up-done")).to_have_count(0, timeout=PATIENCE)

    async def session_id(self) -> str:
        response = await self.citizen.request.get(self.served.url + "/api/session")
        return str((await response.json())["session"]["id"])

    async def session_state(self) -> str:
        response = await self.citizen.request.get(self.served.url + "/api/session")
        return str((await response.json())["session"]["state"])


NOT_EMPTY = re.compile(".+")


async def draw_card(portrait: Path, folder: Path, **given: str) -> tuple[Path, Path]:
    """The photographed specimen card with the portrait: front, back. ``given``: options of the specimen command."""
    words = [word for name, value in given.items() for word in (f"--{name}", value)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "verification", "specimen", "--portrait", str(portrait), "--out", str(folder), *words,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, error = await process.communicate()
    if process.returncode != 0:
        raise RuntimeError(f"no specimen card from {portrait.name}: {error.decode()[-500:]}")
    return folder / "front_photo.jpg", folder / "back_photo.jpg"


def consultants_camera(folder: Path) -> Path:
    """What the consultant's camera sees: NASA's portrait of the astronaut Eileen Collins, public domain."""
    face = folder / "consultant.png"
    cv2.imwrite(str(face), np.ascontiguousarray(data.astronaut()[:300, 60:400, ::-1]))
    return quiet_camera(face, folder / "consultant.y4m")


class Opened(AsyncExitStack):
    """A server and two browsers, closed at the end: ``async with Opened() as stack: await stack.open(...)``."""

    served: Served
    phone: Browser
    consultant: Page

    async def start(self, folder: Path, settings: dict[str, str] | None = None, camera: Path | None = None) -> None:
        """The server, the consultant's page, and the browser whose camera plays the file."""
        self.served = Served(folder / "data", settings=settings or {})
        self.push_async_callback(self.served.stop)
        await self.served.start()
        playwright = await self.enter_async_context(async_playwright())
        self.phone = await self.enter_async_context(launch(playwright, camera))
        own = await asyncio.to_thread(consultants_camera, folder)
        desk = await self.enter_async_context(launch(playwright, own))
        self.consultant = await (await desk.new_context(viewport=DESKTOP, reduced_motion="reduce")).new_page()
        self.consultant.set_default_timeout(PATIENCE)

    async def admit(self, folder: Path, reel: Reel | None = None, screenshots: Path | None = None) -> Journey:
        """A citizen with a browser profile of her own, and with a camera of her own where a reel is given."""
        # Moving figures are drawn 60 times a second, by the cores that also encode, carry and judge.
        context = await self.phone.new_context(viewport=PHONE, has_touch=True, is_mobile=True, reduced_motion="reduce")
        citizen = await context.new_page()
        citizen.set_default_timeout(PATIENCE)
        if reel is not None:
            await reel.put_into(citizen)
        else:
            # The service knows Chromium's test device for what it is; an honest person's camera has another name.
            await citizen.add_init_script(
                "Object.defineProperty(MediaStreamTrack.prototype, 'label', {get: () => 'FaceTime HD Camera'});"
            )
        return Journey(self.served, citizen, self.consultant, folder, screenshots=screenshots)

    async def open(
        self,
        folder: Path,
        portrait: Path,
        video: Path,
        *,
        settings: dict[str, str] | None = None,
        card: dict[str, str] | None = None,
        screenshots: Path | None = None,
    ) -> tuple[Journey, Path, Path]:
        """All of it for one session: a citizen whose browser's own camera plays the video, and her card."""
        camera = await asyncio.to_thread(camera_file, video, folder / "camera.mjpeg")
        front, back = await draw_card(portrait, folder / "card", **(card or {}))
        await self.start(folder, settings, camera)
        return await self.admit(folder, screenshots=screenshots), front, back


async def cards(portrait: Path, folder: Path, attack: str, seed: int = 0) -> tuple[Path, Path]:
    """Front and back of the card that is shown; each seed is another person's card."""
    day = date.today() - timedelta(days=1) if attack == "expired_card" else None  # noqa: DTZ011 - as printed on cards
    given = {} if day is None else {"expires": day.isoformat()}
    front, back = await draw_card(portrait, folder / "card", seed=str(seed), **given)
    if attack == "other_card":
        _, back = await draw_card(portrait, folder / "other", seed=str(seed + OTHER_SEED))
    return front, back
