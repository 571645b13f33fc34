"""What the citizen is shown of a liveness challenge, in a real Chromium: her page alone, prompts given by the test."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, Route, WebSocketRoute, async_playwright, expect

from tests.browser.chromium import launch
from tests.browser.desk_stub import ORIGIN, SERVICE, static_file
from verification.card_challenge import Kind as CardKind
from verification.challenge import FLASH_COLOURS, Kind

pytestmark = pytest.mark.asyncio(loop_scope="module")

PHONE = {"width": 360, "height": 640}
SCREENSHOTS = os.environ.get("BETPE_SCREENSHOTS")
"""A folder for pictures of the page; none by default."""
CALM = {"id": 0, "kind": "calm", "number": 0, "of": 0, "window": 0, "parameters": {}}
SHADES = list(FLASH_COLOURS.values())


def prompt(kind: str, number: int = 1, **parameters: Any) -> dict[str, Any]:
    return {"id": number, "kind": kind, "number": number, "of": 4, "window": 5, "parameters": parameters}


@dataclass
class CallStub:
    """A call whose snapshots the test makes."""

    language: str = "kk"
    prompt: dict[str, Any] | None = None
    complaints: list[str] = field(default_factory=list)
    sockets: list[WebSocketRoute] = field(default_factory=list)

    def session(self) -> dict[str, Any]:
        call = {
            "id": "call-1", "operator_name": "Үлгі Маман", "step": "face_in_frame", "prompt": self.prompt,
            "guidance": [], "peer_connected": True, "recording": False,
        }  # fmt: skip
        return {
            "id": "s1", "version": 1, "state": "in_call", "language": self.language, "purpose": "first_eds",
            "readings": {"front": None, "back": None}, "attributes": {}, "corrections": {}, "can_confirm": True,
            "queue": None, "call": call, "decision": None, "issuance": "not_approved", "saved": False,
            "revoked_at": None, "ended": None, "messages": [],
        }  # fmt: skip

    def show(self, shown: dict[str, Any] | None) -> None:
        self.prompt = shown
        for socket in self.sockets:
            socket.send(json.dumps({"type": "state", "session": self.session()}))

    async def attach(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        await page.route("**/*", self._answer)
        await page.route_web_socket("**/api/session/ws", self._open)

    def _open(self, socket: WebSocketRoute) -> None:
        self.sockets.append(socket)
        socket.on_message(lambda _message: None)
        socket.send(json.dumps({"type": "state", "session": self.session()}))

    async def _answer(self, route: Route) -> None:
        path = route.request.url.removeprefix(ORIGIN).split("?")[0]
        if path == "/api/service":
            consent = {"consent_version": "2026-11", "retention_days": 2555, "specimen": True, "purposes": []}
            await route.fulfill(json={**SERVICE, **consent})
        elif path == "/api/session":
            await route.fulfill(json={"type": "state", "session": self.session()})
        else:
            await static_file(route, "/index.html" if path == "/" else path)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright, launch(playwright) as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="module")
async def page(chromium: Browser) -> AsyncIterator[Page]:
    context = await chromium.new_context(viewport=PHONE)
    page = await context.new_page()
    page.set_default_timeout(20_000)
    yield page
    await context.close()


@pytest_asyncio.fixture(loop_scope="module")
async def call(page: Page) -> AsyncIterator[CallStub]:
    """A citizen in a call; there is no other peer here, so the page is told that it is connected."""
    stub = CallStub()
    await stub.attach(page)
    await page.goto(ORIGIN + "/")
    await page.get_by_test_id("call-self").wait_for()
    await page.evaluate(
        "Object.defineProperty(document.querySelector('screen-talk'), 'status', {get: () => 'connected', set() {}})"
    )
    yield stub
    assert stub.complaints == []


async def shown(page: Page, kind: str) -> None:
    await expect(page.get_by_test_id("challenge-prompt")).to_have_attribute("data-kind", kind)


async def picture(page: Page, name: str) -> None:
    if SCREENSHOTS:
        await page.screenshot(path=str(Path(SCREENSHOTS) / f"challenge-{name}.png"))


async def test_every_kind_is_shown_in_words_and_a_picture(page: Page, call: CallStub) -> None:
    given = {
        Kind.BLINK: {"times": 3},
        Kind.READ_DIGITS: {"slots": ["7"], "seconds": 30},
        Kind.COLOUR_FLASH: {"shades": SHADES[:1], "seconds": 30},
    }
    for number, kind in enumerate(Kind, start=1):
        call.show(prompt(kind, number, **given.get(kind, {})))
        await shown(page, kind)
        words = page.locator(".challenge__words")
        assert "challenge." not in await words.inner_text()
        if kind not in (Kind.READ_DIGITS, Kind.COLOUR_FLASH):
            await expect(page.locator(f".figure--{kind}")).to_be_visible()
        if kind is Kind.BLINK:
            await expect(words).to_contain_text("3")
        await picture(page, f"{kind}-{call.language}")
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    call.show(CALM)
    await shown(page, "calm")
    await picture(page, f"calm-{call.language}")
    call.show(None)
    await expect(page.get_by_test_id("challenge-prompt")).to_have_count(0)


async def test_what_is_asked_of_the_card_names_the_sides_of_the_mirror(page: Page, call: CallStub) -> None:
    """The server names sides of the camera's picture; in her own, mirrored one the other side is meant."""
    await page.emulate_media(reduced_motion="reduce")
    mirrored = {"left": "right", "right": "left"}
    for number, kind in enumerate(CardKind, start=1):
        call.show(prompt(kind, number))
        await shown(page, kind)
        family, side = kind.split("_")
        await expect(page.locator(f".figure--{family}_{mirrored.get(side, side)}")).to_be_visible()
        words = await page.locator(".challenge__words").inner_text()
        sides = {"left": ("сол жақ", "солдан оңға"), "right": ("оң жақ", "оңнан солға")}.get(mirrored.get(side, ""), ())
        assert not sides or words.count(sides[family == "finger"]) == (family == "tilt")
        await picture(page, f"{kind}-{call.language}")
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    call.show({**CALM, "kind": "card_calm"})
    await shown(page, "card_calm")
    await picture(page, f"card_calm-{call.language}")


async def test_left_is_the_left_of_the_mirror(page: Page, call: CallStub) -> None:
    """The drawn head turns to the side to which the own, mirrored picture turns."""
    await page.emulate_media(reduced_motion="reduce")  # the picture stands in the asked pose
    call.show(prompt("turn_left"))
    await shown(page, "turn_left")
    middle = """() => { const at = (name) => { const box = document.querySelector(name).getBoundingClientRect();
        return box.left + box.width / 2; }; return at('.figure__face') - at('.figure__head'); }"""
    assert await page.evaluate(middle) < -3
    call.show(prompt("turn_right", 2))
    await shown(page, "turn_right")
    assert await page.evaluate(middle) > 3
    transform = await page.evaluate("getComputedStyle(document.querySelector('.challenge__self')).transform")
    assert transform == "matrix(-1, 0, 0, 1, 0, 0)"


async def test_digits_come_slot_by_slot_from_the_moment_of_showing(page: Page, call: CallStub) -> None:
    await page.clock.install()
    call.show(prompt("read_digits", slots=["4", "", "9"], seconds=1.2))
    digit = page.get_by_test_id("challenge-digit")
    await expect(digit).to_have_text("4")
    await page.clock.run_for(1250)
    await expect(digit).to_have_attribute("data-place", "1")
    await expect(digit).not_to_have_text("4")
    await page.clock.run_for(1200)
    await expect(digit).to_have_text("9")
    await page.clock.run_for(1200)
    await expect(digit).not_to_have_text("9")


async def test_a_new_step_ends_what_ran(page: Page, call: CallStub) -> None:
    """Colours of a step that was cut off do not go on, and the next step begins at its own beginning."""
    await page.clock.install()
    call.show(prompt("colour_flash", shades=SHADES, seconds=0.8))
    await shown(page, "colour_flash")
    await page.clock.run_for(900)
    call.show(prompt("read_digits", 2, slots=["1", "2"], seconds=1.2))
    digit = page.get_by_test_id("challenge-digit")
    await expect(digit).to_have_text("1")
    assert await background(page) not in map(rgb, SHADES)
    await page.clock.run_for(1000)
    await expect(digit).to_have_text("1")
    await page.clock.run_for(300)
    await expect(digit).to_have_text("2")
    call.show(None)
    await expect(digit).to_have_count(0)
    await page.clock.run_for(5000)


def rgb(shade: str) -> str:
    return "rgb({}, {}, {})".format(*(int(shade[i : i + 2], 16) for i in (1, 3, 5)))


async def background(page: Page) -> str:
    return str(await page.evaluate("getComputedStyle(document.querySelector('.challenge')).backgroundColor"))


async def test_the_whole_screen_takes_each_shade_for_its_time(page: Page, call: CallStub) -> None:
    await page.clock.install()
    call.show(prompt("colour_flash", shades=SHADES, seconds=0.8))
    for shade in SHADES:
        await expect(page.locator(".challenge")).to_have_css("background-color", rgb(shade))
        size = await page.evaluate(
            "() => { const box = document.querySelector('.challenge').getBoundingClientRect();"
            " return [box.left, box.top, box.width, box.height]; }"
        )
        assert size == [0, 0, PHONE["width"], PHONE["height"]]
        await expect(page.locator(".challenge__self")).to_be_visible()
        await expect(page.locator(".challenge__words")).to_be_visible()
        await page.clock.run_for(800)
    await expect(page.locator(".challenge--lit")).to_have_count(0)


async def test_no_more_than_three_changes_a_second_whatever_is_asked(page: Page, call: CallStub) -> None:
    await page.clock.install()
    call.show(prompt("colour_flash", shades=SHADES * 4, seconds=0.01))
    await shown(page, "colour_flash")
    before = await page.evaluate("document.querySelector('betpe-challenge').place")
    await page.clock.run_for(1000)
    assert await page.evaluate("document.querySelector('betpe-challenge').place") - before <= 3


async def test_a_shade_that_is_none_colours_nothing(page: Page, call: CallStub) -> None:
    call.show(prompt("colour_flash", shades=["url(https://example.org)", "red;"], seconds=5))
    await shown(page, "colour_flash")
    assert await page.evaluate("document.querySelector('.challenge').getAttribute('style') || ''") == ""
