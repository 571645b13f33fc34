"""The operator's page alone, in a real Chromium: its keys, its refusals, its words."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright, expect

from server.proofing import REFER_REASONS
from tests.browser.chromium import launch
from tests.browser.desk_stub import AT, ORIGIN, DeskStub, case, check, part

pytestmark = pytest.mark.asyncio(loop_scope="module")

PAGE = f"{ORIGIN}/operator.html"
SCREENSHOTS = os.environ.get("BETPE_SCREENSHOTS")
"""A folder for pictures of the page; none by default."""
REFUSED = {
    "approval": "refused",
    "parts": [
        part("face_match", "failed", "blocks", "compare_again", ("different_person",)),
        part("step_greet", "not_run", "blocks", "finish_step"),
    ],
}
FAILED_MATCH = check(
    "face_match", "failed", score=0.212, threshold=0.348, fmr=0.001, reasons=["different_person"], images={}
)
FEATURES = [
    {
        "id": id, "kind": kind, "side": "front", "variable": True, "ask": "tilt", "answer": "",
        "stills": ["a" * 64, "b" * 64],
        "look_for": dict.fromkeys(("kk", "ru", "en"), "Голограмма: картаны еңкейткенде сурет пен түс өзгереді"),
    }
    for id, kind in (("kz-overlay", "diffractive"), ("kz-laser-image", "changeable_laser_image"), ("kz-text", "relief"))
]  # fmt: skip
DECIDED = {
    "outcome": "reject", "reason_code": "document_expired", "note": "", "override_reason": "",
    "made_at": AT, "seals_at": "2026-11-22T10:00:05.000Z", "sealed": False,
}  # fmt: skip


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright, launch(playwright) as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="module")
async def page(chromium: Browser) -> AsyncIterator[Page]:
    context = await chromium.new_context(viewport={"width": 1440, "height": 900})
    page = await context.new_page()
    page.set_default_timeout(20_000)
    yield page
    await context.close()


@pytest_asyncio.fixture(loop_scope="module")
async def desk(page: Page) -> AsyncIterator[DeskStub]:
    stub = DeskStub()
    await stub.attach(page)
    yield stub
    assert stub.complaints == []


async def on_screen(page: Page, name: str) -> None:
    await page.locator(f'body[data-screen="{name}"]').wait_for(state="attached")


async def in_call(page: Page, desk: DeskStub, **more: Any) -> None:
    desk.case = case(**more)
    await page.goto(PAGE)
    await on_screen(page, "call")
    await expect(page.locator("main.case")).to_have_attribute("data-state", desk.case["state"])


async def press(page: Page, code: str, **event: Any) -> None:
    """A key by its place, with the letter that a Russian layout puts there."""
    letters = {"KeyF": "а", "KeyC": "с", "KeyA": "ф", "KeyX": "ч", "KeyR": "к", "KeyZ": "я", "Space": " "}
    init = {"code": code, "key": letters.get(code, ""), "bubbles": True, "cancelable": True, **event}
    await page.evaluate("init => document.activeElement.dispatchEvent(new KeyboardEvent('keydown', init))", init)


async def picture(page: Page, name: str) -> None:
    """A picture of the page in each language at the smallest size, where a folder for them is given."""
    if not SCREENSHOTS:
        return
    for language in ("kk", "ru", "en"):
        await page.evaluate(
            "language => document.documentElement.querySelector(`[data-testid='language-${language}']`).click()",
            language,
        )
        await page.screenshot(path=str(Path(SCREENSHOTS) / f"operator-{name}-{language}.png"))
    await page.evaluate("document.querySelector('[data-testid=language-kk]').click()")


async def test_the_token_leaves_the_address_before_the_desk_opens(page: Page, desk: DeskStub) -> None:
    desk.signed_in = False
    await page.goto(f"{PAGE}#token=fresh")
    await on_screen(page, "rest")
    assert page.url == PAGE
    assert await desk.asked("sign-in") == {"token": "fresh"}
    assert await page.evaluate("history.length") <= 2


async def test_a_used_link_says_how_to_get_another(page: Page, desk: DeskStub) -> None:
    desk.signed_in = False
    await page.goto(f"{PAGE}#token=used")
    await on_screen(page, "link-invalid")
    assert "token" not in page.url
    await expect(page.get_by_test_id("sign-in-state")).to_contain_text("python -m server operator link")


async def test_ready_starts_the_camera_first(page: Page, desk: DeskStub) -> None:
    await page.goto(PAGE)
    await page.get_by_test_id("ready").click()
    await expect(page.get_by_test_id("call-self")).to_be_visible()
    assert await desk.asked("availability") == {"availability": "ready"}
    await page.get_by_test_id("pause-reason").select_option("lunch")
    desk.commands.clear()
    await page.get_by_test_id("pause").click()
    assert await desk.asked("availability") == {"availability": "paused", "reason": "lunch"}
    await expect(page.get_by_test_id("call-self")).to_have_count(0)


async def test_keys_are_told_by_their_place(page: Page, desk: DeskStub) -> None:
    await in_call(page, desk)
    await press(page, "Space")
    assert await desk.asked("case/steps") == {"step": "greet", "outcome": "done", "note": ""}
    await press(page, "KeyF")
    await desk.asked("case/compare")
    await press(page, "KeyC")
    await desk.asked("case/still")


async def test_keys_do_nothing_while_somebody_types(page: Page, desk: DeskStub) -> None:
    await in_call(page, desk)
    await page.get_by_test_id("chat-line").focus()
    for code in ("Space", "KeyF", "KeyA", "KeyX", "KeyC"):
        await press(page, code)
    await page.keyboard.press("Escape")
    await press(page, "KeyF", ctrlKey=True)
    await press(page, "KeyA", repeat=True)
    await expect(page.get_by_test_id("decision-form")).to_have_count(0)
    assert desk.commands == []


async def test_keys_can_be_switched_off(page: Page, desk: DeskStub) -> None:
    await in_call(page, desk)
    await press(page, "KeyK")
    await page.get_by_test_id("keys-enabled").uncheck()
    await page.get_by_test_id("cover-close").click()
    await press(page, "KeyF")
    await press(page, "KeyX")
    await expect(page.get_by_test_id("decision-form")).to_have_count(0)
    assert desk.commands == []


async def test_a_failed_comparison_leaves_no_way_to_approve(page: Page, desk: DeskStub) -> None:
    await in_call(page, desk, recommendation=REFUSED, checks=[FAILED_MATCH])
    await expect(page.get_by_test_id("approve")).to_have_count(0)
    await expect(page.get_by_test_id("approve-refused")).to_contain_text("F")
    await expect(page.get_by_test_id("check-face_match")).to_have_attribute("data-outcome", "failed")
    await press(page, "KeyA")
    await press(page, "KeyC")
    await desk.asked("case/still")
    await expect(page.get_by_test_id("decision-form")).to_have_count(0)
    assert [name for name, _ in desk.commands] == ["case/still"]


async def test_a_score_stands_with_its_threshold_and_meaning(page: Page, desk: DeskStub) -> None:
    await in_call(page, desk, recommendation=REFUSED, checks=[FAILED_MATCH])
    await expect(page.get_by_test_id("score")).to_contain_text("0,212")
    await expect(page.get_by_test_id("score")).to_contain_text("0,348")
    await expect(page.get_by_test_id("score-meaning")).to_contain_text("1\u00a0000")


async def test_approving_with_doubts_needs_a_reason(page: Page, desk: DeskStub) -> None:
    doubts = {"approval": "needs_reason", "parts": [part("barcode", "inconclusive", "needs_reason", "x")]}
    await in_call(page, desk, recommendation=doubts)
    await press(page, "KeyA")
    await page.get_by_test_id("decision-confirm").click()
    await expect(page.get_by_test_id("decision-fault")).to_be_visible()
    assert desk.commands == []
    await page.get_by_test_id("override-reason").fill("Compared by eye.")
    await page.keyboard.press("Enter")
    wanted = {"outcome": "approve", "override_reason": "Compared by eye."}
    assert await desk.asked("case/decision") == wanted


async def test_rejecting_takes_three_keys(page: Page, desk: DeskStub) -> None:
    await in_call(page, desk)
    await press(page, "KeyX")
    await press(page, "Digit3")
    await press(page, "Enter")
    wanted = {"outcome": "reject", "reason_code": "document_expired", "note": ""}
    assert await desk.asked("case/decision") == wanted


async def test_another_reason_needs_a_note(page: Page, desk: DeskStub) -> None:
    await in_call(page, desk)
    await press(page, "KeyR")
    await press(page, f"Digit{1 + REFER_REASONS.index('other')}")
    await expect(page.get_by_test_id("decision-note")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.get_by_test_id("decision-fault")).to_be_visible()
    assert desk.commands == []
    await page.get_by_test_id("decision-note").fill("Somebody else speaks for her")
    await page.keyboard.press("Enter")
    wanted = {"outcome": "refer", "reason_code": "other", "note": "Somebody else speaks for her"}
    assert await desk.asked("case/decision") == wanted


async def test_a_decision_can_be_undone_while_it_is_not_sealed(page: Page, desk: DeskStub) -> None:
    await in_call(page, desk, state="deciding", decision=DECIDED)
    await expect(page.get_by_test_id("undo")).to_be_visible()
    await expect(page.get_by_test_id("approve")).to_have_count(0)
    await press(page, "KeyZ")
    await desk.asked("case/decision/undo")


async def test_a_challenge_leaves_out_what_the_citizen_cannot_do(page: Page, desk: DeskStub) -> None:
    await in_call(page, desk)
    await press(page, "KeyL")
    await page.get_by_test_id("need-cannot_speak").check()
    await page.get_by_test_id("challenge-begin").click()
    assert await desk.asked("case/challenge") == {"needs": ["cannot_speak"]}
    done = {"kind": "nod", "outcome": "passed", "reason": "answered"}
    running = {"current": "turn_left", "number": 2, "of": 4, "progress": 0.3, "face": True, "steps": [done]}
    desk.show(case(challenge=running))
    await expect(page.get_by_test_id("challenge-running")).to_have_attribute("data-current", "turn_left")
    await expect(page.get_by_test_id("challenge-steps").locator("li")).to_have_count(1)
    desk.commands.clear()
    await press(page, "KeyF")  # the challenge looks at the same frames
    await page.get_by_test_id("challenge-stop").click()
    await desk.asked("case/challenge/stop")
    assert [name for name, _ in desk.commands] == ["case/challenge/stop"]
    desk.show(case(checks=[check("liveness", "inconclusive", reasons=["challenge_not_answered"])]))
    await expect(page.get_by_test_id("step-next")).to_be_visible()
    await expect(page.get_by_test_id("check-liveness")).to_have_attribute("data-outcome", "inconclusive")


async def test_the_card_is_tilted_as_the_screen_asks(page: Page, desk: DeskStub) -> None:
    await in_call(page, desk, next_step="tilt_card")
    await expect(page.get_by_test_id("tilt")).to_be_visible()
    await press(page, "KeyI")
    assert await desk.asked("case/tilt") == {}
    running = {
        "check": "tilt", "current": "tilt_left", "number": 1, "of": 4, "progress": 0.5, "face": True, "steps": [],
    }  # fmt: skip
    desk.show(case(next_step="tilt_card", challenge=running))
    await expect(page.get_by_test_id("challenge-running")).to_have_attribute("data-check", "tilt")
    await picture(page, "tilt")
    desk.show(case(checks=[check("tilt", "failed", reasons=["tilt_wrong_movement"])]))
    await expect(page.get_by_test_id("check-tilt")).to_have_attribute("data-outcome", "failed")


async def test_each_security_feature_is_answered_with_one_key(page: Page, desk: DeskStub) -> None:
    await in_call(page, desk, next_step="tilt_card", features=FEATURES)
    await press(page, "KeyH")
    panel = page.get_by_test_id("features-panel")
    await expect(panel).to_have_attribute("data-current", "kz-overlay")
    await expect(panel).to_contain_text(FEATURES[0]["look_for"]["kk"])
    await expect(page.get_by_test_id("feature-confirmed")).to_contain_text("Y")
    await picture(page, "features")
    await press(page, "KeyC")
    assert await desk.asked("case/features/still") == {"feature": "kz-overlay"}
    await expect(page.get_by_test_id("feature-denied")).to_be_enabled()
    await press(page, "KeyN")
    assert await desk.asked("case/features/answer") == {"feature": "kz-overlay", "answer": "denied"}
    desk.show(case(features=[{**one, "answer": "denied"} for one in FEATURES]))
    await expect(panel).to_have_attribute("data-current", "")
    await picture(page, "features-denied")
    await page.keyboard.press("Escape")
    await expect(page.get_by_test_id("step-next")).to_be_visible()


async def test_wrap_up_ends_with_one_key(page: Page, desk: DeskStub) -> None:
    desk.case = case(wrapping=True, state="rejected", call_id=None, decision={**DECIDED, "sealed": True})
    await page.goto(PAGE)
    await on_screen(page, "wrap-up")
    await expect(page.get_by_test_id("wrap-outcome")).to_have_attribute("data-outcome", "reject")
    await press(page, "Enter")
    assert await desk.asked("case/wrap-up") == {"note": ""}


async def test_a_desk_opened_elsewhere_stops_and_can_come_back(page: Page, desk: DeskStub) -> None:
    await page.goto(PAGE)
    await on_screen(page, "rest")
    desk.sockets[-1].send('{"type": "bye", "code": "opened_elsewhere"}')
    await on_screen(page, "elsewhere")
    await page.get_by_test_id("open-here").click()
    await on_screen(page, "rest")


@pytest.mark.parametrize("language", ["kk", "ru", "en"])
@pytest.mark.parametrize("width", [1440, 1280, 360])
async def test_every_word_is_there_and_nothing_overflows(page: Page, desk: DeskStub, language: str, width: int) -> None:
    await page.set_viewport_size({"width": width, "height": 800})
    await page.add_init_script(f"localStorage.setItem('betpe.language', '{language}')")
    await in_call(page, desk, recommendation=REFUSED, checks=[FAILED_MATCH])
    assert await page.evaluate("document.documentElement.lang") == language
    for summary in await page.locator("details > summary").all():
        await summary.click()
    await press(page, "KeyX")
    await expect(page.get_by_test_id("reason-9")).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
    for state in ("matched", "suspended", "deciding"):
        decision = DECIDED if state == "deciding" else None
        desk.show(case(state=state, applicant_connected=False, decision=decision))
        await expect(page.locator("main.case")).to_have_attribute("data-state", state)
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
    desk.show(None)
    await on_screen(page, "rest")
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
