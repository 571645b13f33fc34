"""The citizen's page alone, in a real Chromium at phone size: every screen, fault and return."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright, expect

from tests.browser.chromium import launch
from tests.browser.citizen_stub import ATTRIBUTES, CitizenStub, read_session, reading, session
from tests.browser.desk_stub import AT, ORIGIN

pytestmark = pytest.mark.asyncio(loop_scope="module")

PAGE = f"{ORIGIN}/"
LANGUAGES = ("kk", "ru", "en")
REJECTED = {"outcome": "rejected", "reason_code": "picture_or_sound_too_poor", "at": AT, "retry_at": None}
SAVED = {
    "status": "issued", "saved": True, "demonstration": True, "subject": "MAA=", "subject_text": ATTRIBUTES,
    "not_after": "2027-11-22T10:00:00Z", "revoked_at": None,
}  # fmt: skip
SCREENS: dict[str, tuple[dict[str, Any] | None, dict[str, Any] | None]] = {
    "welcome": (None, None),
    "device": (session("consented"), None),
    "waiting": (session("waiting"), None),
    "call": (session("in_call"), None),
    "deciding": (session("deciding"), None),
    "second-person": (session("referred", decision={**REJECTED, "outcome": "referred"}), None),
    "rejected": (session("rejected", decision=REJECTED), None),
    "signature": (session("approved"), {**SAVED, "status": "ready", "saved": False}),
    "certificate": (session("issued", saved=True), SAVED),
    "ended": (session("expired"), None),
}
"""Screen -> (the session, the answer of /api/session/issuance) with which a page comes to it at once."""
BROKEN_CAMERA = "navigator.mediaDevices.getUserMedia = async () => {{ throw new DOMException('', '{name}'); }};"
TOO_WIDE = """() => [...document.querySelectorAll("body *")]
  .filter((e) => !e.closest(".mirror, .finder, .calm, .hidden-visually, .talk__stage, svg"))
  .filter((e) => e.getBoundingClientRect().width > 0 && e.getBoundingClientRect().right > innerWidth + 0.5)
  .map((e) => `${e.tagName}.${e.className}`)"""
TOO_SMALL = """() => [...document.querySelectorAll("button, summary, a, .input, label.file, label.choice")]
  .map((e) => [e, e.getBoundingClientRect()])
  .filter(([e, box]) => box.width > 0 && !e.closest(".error-summary") && (box.width < 44 || box.height < 44))
  .map(([e, box]) => `${e.textContent.trim()} ${Math.round(box.width)}x${Math.round(box.height)}`)"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright, launch(playwright) as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="module")
async def page(chromium: Browser) -> AsyncIterator[Page]:
    context = await chromium.new_context(viewport={"width": 360, "height": 640}, reduced_motion="reduce")
    page = await context.new_page()
    page.set_default_timeout(20_000)
    yield page
    await context.close()


@pytest_asyncio.fixture(loop_scope="module")
async def stub(page: Page) -> AsyncIterator[CitizenStub]:
    stub = CitizenStub()
    await stub.attach(page)
    yield stub
    assert stub.complaints == []


async def on_screen(page: Page, name: str) -> None:
    await page.locator(f'body[data-screen="{name}"]').wait_for(state="attached")


async def to_check(page: Page, stub: CitizenStub) -> None:
    """Through the camera check to what was read."""
    stub.session = read_session()
    await page.goto(PAGE)
    await page.get_by_test_id("device-continue").click()
    await page.get_by_test_id("card-continue").click()
    await on_screen(page, "check")


@pytest.mark.parametrize("screen", SCREENS)
async def test_a_screen_fits_the_smallest_phone_in_every_language(page: Page, stub: CitizenStub, screen: str) -> None:
    stub.session, issuance = SCREENS[screen]
    stub.issuance = issuance or stub.issuance
    await page.goto(PAGE)
    await on_screen(page, screen)
    await expect(page.locator("h1")).to_have_count(1)
    for width in (320, 360):
        await page.set_viewport_size({"width": width, "height": 640})
        for language in LANGUAGES:
            await page.get_by_test_id(f"language-{language}").click()
            await expect(page.locator("html")).to_have_attribute("lang", language)
            assert await page.evaluate(TOO_WIDE) == []
            assert await page.evaluate(TOO_SMALL) == []
    heading = (await page.locator("h1").inner_text()).split("\n")[0]
    await expect(page).to_have_title(re.compile("^" + re.escape(heading)))
    assert not re.search(r"\b[a-z]+\.[a-z_]+\b(?<!index\.html)", await page.locator("main").inner_text())


@pytest.mark.parametrize("screen", [name for name in SCREENS if name != "welcome"])
async def test_a_reload_comes_back_to_the_same_place(page: Page, stub: CitizenStub, screen: str) -> None:
    stub.session, issuance = SCREENS[screen]
    stub.issuance = issuance or stub.issuance
    await page.goto(PAGE)
    await on_screen(page, screen)
    await page.reload()
    await on_screen(page, screen)


async def test_a_reload_before_the_queue_keeps_the_step_and_back_goes_one_step_back(
    page: Page, stub: CitizenStub
) -> None:
    await to_check(page, stub)
    await page.reload()
    await on_screen(page, "check")
    await page.go_back()
    await on_screen(page, "card-front")
    await page.go_back()
    await on_screen(page, "device")


async def test_consent_names_the_version_that_was_shown(page: Page, stub: CitizenStub) -> None:
    await page.goto(PAGE)
    await on_screen(page, "welcome")
    await expect(page.get_by_test_id("fraud-warning")).to_be_visible()
    await page.get_by_test_id("purpose-renew_eds").check()
    await page.get_by_test_id("language-ru").click()
    await page.get_by_test_id("begin").click()
    asked = {"language": "ru", "purpose": "renew_eds", "consent_version": "2026-11"}
    assert await stub.asked("session") == asked
    await on_screen(page, "device")


@pytest.mark.parametrize(
    ("name", "words"),
    [("NotAllowedError", "not allowed"), ("NotReadableError", "busy"), ("NotFoundError", "No camera was found")],
)
async def test_a_fault_of_the_camera_says_what_to_do(page: Page, stub: CitizenStub, name: str, words: str) -> None:
    stub.session = session("consented")
    await page.add_init_script("localStorage.setItem('betpe.language', 'en');" + BROKEN_CAMERA.format(name=name))
    await page.goto(PAGE)
    await expect(page.get_by_test_id("device-fault")).to_contain_text(words)
    await expect(page.get_by_test_id("device-continue")).to_have_count(0)
    await page.evaluate("delete navigator.mediaDevices.getUserMedia")
    await page.get_by_test_id("device-again").click()
    await expect(page.get_by_test_id("device-continue")).to_be_enabled()
    await expect(page.get_by_test_id("device-fault")).to_have_count(0)


async def test_a_browser_without_cameras_is_told_before_consent(page: Page, stub: CitizenStub) -> None:
    await page.add_init_script("Object.defineProperty(navigator, 'mediaDevices', { value: undefined })")
    await page.goto(PAGE)
    await expect(page.get_by_test_id("device-fault")).to_contain_text("Chrome")
    await expect(page.get_by_test_id("begin")).to_be_disabled()


async def test_a_poor_picture_says_the_one_thing_to_change(page: Page, stub: CitizenStub) -> None:
    stub.session = session("consented")
    await page.goto(PAGE)
    await page.get_by_test_id("device-continue").click()
    stub.next_reading = reading("front", "glare", "blur")
    await page.get_by_test_id("shutter").click()
    await expect(page.get_by_test_id("card-problem")).to_contain_text("Жарық шағылысып тұр")
    assert (await stub.asked("evidence/front")).startswith(b"\xff\xd8\xff")
    stub.next_reading = None
    await page.get_by_test_id("retake").click()
    await page.get_by_test_id("shutter").click()
    await page.get_by_test_id("card-continue").click()
    await on_screen(page, "card-back")


async def test_a_large_photo_is_made_smaller_before_it_is_sent(page: Page, stub: CitizenStub) -> None:
    stub.session = session("consented")
    await page.goto(PAGE)
    await page.get_by_test_id("device-continue").click()
    photo = await page.evaluate(
        """async () => {
          const canvas = Object.assign(document.createElement("canvas"), { width: 4000, height: 3000 });
          canvas.getContext("2d").fillRect(0, 0, 4000, 3000);
          const blob = await new Promise((done) => canvas.toBlob(done, "image/png"));
          return [...new Uint8Array(await blob.arrayBuffer())];
        }"""
    )
    chosen = {"name": "card.png", "mimeType": "image/png", "buffer": bytes(photo)}
    await page.get_by_test_id("file-front").set_input_files(chosen)  # type: ignore[arg-type]
    await expect(page.get_by_test_id("card-usable")).to_be_visible()
    size = "img => [img.naturalWidth, img.naturalHeight]"
    assert await page.locator(".taken").evaluate(size) == [2400, 1800]


async def test_names_may_be_corrected_and_only_with_letters(page: Page, stub: CitizenStub) -> None:
    await to_check(page, stub)
    await expect(page.get_by_test_id("read-birth_date")).to_have_text("1855 жылғы 21 қаңтар")
    await expect(page.get_by_test_id("correct-iin")).to_have_count(0)
    await page.get_by_test_id("correct-given_names").click()
    await page.get_by_test_id("correct-surname").click()
    await page.locator("#check-surname").fill("Қ0спаева")
    await page.get_by_test_id("confirm-evidence").click()
    await expect(page.get_by_test_id("error-summary")).to_be_focused()
    await page.locator("#check-surname").fill(" ҚОСПАЕВА ")
    await page.get_by_test_id("confirm-evidence").click()
    assert await stub.asked("evidence/confirm") == {"corrections": {"surname": "ҚОСПАЕВА"}}


async def test_the_queue_says_how_many_and_how_long_or_that_nobody_is_there(page: Page, stub: CitizenStub) -> None:
    stub.session = session("waiting")
    await page.goto(PAGE)
    await expect(page.get_by_test_id("queue-position")).to_have_text("Алдыңызда 3 адам бар")
    await expect(page.get_by_test_id("queue-wait")).to_contain_text("4–7")
    queue = {"position": 1, "wait": None, "operators": 0, "second_person": False}
    stub.show(session("waiting", queue=queue))
    await expect(page.get_by_test_id("queue-nobody")).to_be_visible()
    await expect(page.get_by_test_id("queue-wait")).to_have_count(0)


async def test_the_back_key_asks_before_the_place_is_given_up(page: Page, stub: CitizenStub) -> None:
    stub.session = session("waiting")
    await page.goto(PAGE)
    await on_screen(page, "waiting")
    await page.go_back()
    await page.get_by_test_id("leave-stay").click()
    await on_screen(page, "waiting")
    await page.get_by_test_id("leave").click()
    await page.get_by_test_id("leave-confirm").click()
    await on_screen(page, "ended")
    await page.get_by_test_id("begin-again").click()
    await on_screen(page, "welcome")


async def test_the_call_opens_by_itself_and_again_after_every_lost_socket(page: Page, stub: CitizenStub) -> None:
    stub.session = session("waiting")
    await page.goto(PAGE)
    await on_screen(page, "waiting")
    stub.show(session("matched", version=3))
    await on_screen(page, "call")
    sdp = (await stub.sent("offer"))["sdp"]
    assert [line for line in sdp.splitlines() if line.startswith("a=sendrecv")] == ["a=sendrecv"] * 2
    assert re.search(r"m=video \d+ \S+ (\d+).*?a=rtpmap:\1 VP8", sdp, re.S), "VP8 is not the first choice"
    stub.messages.clear()
    await stub.sockets[-1].close()
    second = await stub.sent("offer")
    assert second["sdp"] != sdp
    assert len(stub.sockets) == 2
    stub.messages.clear()
    stub.tell({"type": "offer_again", "call": "another"})
    stub.tell({"type": "offer_again", "call": "call-1"})
    third = await stub.sent("offer")
    assert (third["call"], third["attempt"]) == ("call-1", second["attempt"] + 1)


WATCHED = """async () => {
  const { watchArrivals } = await import("/shared/arrivals.js");
  const said = [];
  let bytes = 0;
  let flowing = true;
  const getStats = async () => {
    if (flowing) bytes += 100;
    return new Map([["pair", { type: "candidate-pair", bytesReceived: bytes }]]);
  };
  const tell = (word) => () => said.push(word);
  const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
  const how = { patience: () => 1000, doubt: tell("doubt"), silent: tell("silent"), frozen: tell("frozen") };
  watchArrivals({ getStats }, { ...how, pictureDue: () => false });
  await pause(1700);
  const quiet = said.length;
  flowing = false;
  await pause(2500);
  return [quiet, ...said];
}"""


async def test_a_connection_over_which_nothing_comes_is_doubted_and_then_given_up(
    page: Page, stub: CitizenStub
) -> None:
    stub.session = session("waiting")
    await page.goto(PAGE)
    assert await page.evaluate(WATCHED) == [0, "doubt", "silent"]


async def test_a_message_is_repeated_until_the_snapshot_has_it(page: Page, stub: CitizenStub) -> None:
    stub.session = session("in_call")
    await page.goto(PAGE)
    await page.get_by_test_id("chat-open").click()
    await page.get_by_test_id("chat-line").fill("Нашар естимін")
    await page.get_by_test_id("chat-send").click()
    first = await stub.sent("chat")
    stub.messages.clear()
    await stub.sockets[-1].close()
    again = await stub.sent("chat")
    assert (again["client_id"], again["text"]) == (first["client_id"], "Нашар естимін")
    message = {
        "number": 1,
        "sender": "applicant",
        "text": "Нашар естимін",
        "sent_at": AT,
        "client_id": first["client_id"],
    }
    stub.show(session("in_call", messages=[message]))
    await expect(page.get_by_test_id("chat-log").locator("li")).to_have_count(1)
    await expect(page.get_by_test_id("chat-log")).not_to_contain_text("Жіберілуде")


async def test_the_page_that_is_not_the_newest_says_so(page: Page, stub: CitizenStub) -> None:
    stub.session = session("waiting")
    await page.goto(PAGE)
    await on_screen(page, "waiting")
    stub.tell({"type": "bye", "code": "opened_elsewhere"})
    await on_screen(page, "elsewhere")
    await page.get_by_test_id("continue-here").click()
    await on_screen(page, "waiting")


async def test_a_session_that_is_gone_leads_to_the_beginning(page: Page, stub: CitizenStub) -> None:
    stub.session = session("waiting")
    await page.goto(PAGE)
    await on_screen(page, "waiting")
    stub.session = None
    await stub.sockets[-1].close()
    await on_screen(page, "welcome")


async def test_a_server_that_fails_is_said_in_words_and_tried_again(page: Page, stub: CitizenStub) -> None:
    stub.answers["service"] = (500, "internal")
    await page.goto(PAGE)
    await on_screen(page, "failure")
    del stub.answers["service"]
    await page.get_by_test_id("try-again").click()
    await on_screen(page, "welcome")


async def test_a_rejection_says_why_what_next_and_when(page: Page, stub: CitizenStub) -> None:
    later = (datetime.now(UTC) + timedelta(seconds=4)).isoformat().replace("+00:00", "Z")
    stub.session = session("rejected", decision={**REJECTED, "retry_at": later})
    await page.goto(PAGE)
    await expect(page.get_by_test_id("decision")).to_contain_text("Сурет не дыбыс сапасы")
    await expect(page.get_by_test_id("begin-again")).to_be_disabled()
    await expect(page.get_by_test_id("begin-again")).to_be_enabled(timeout=15_000)


async def test_a_weak_password_is_not_taken(page: Page, stub: CitizenStub) -> None:
    stub.session, stub.issuance = session("approved"), {**SAVED, "status": "ready", "saved": False}
    await page.goto(PAGE)
    await page.get_by_test_id("password").fill("qwerty12")
    await expect(page.get_by_test_id("password-strength")).to_have_attribute("data-strength", "common")
    await page.get_by_test_id("make-signature").click()
    await expect(page.get_by_test_id("error-summary")).to_be_focused()
    assert "issuance" not in [name for name, _ in stub.commands]


async def test_a_saved_signature_can_be_revoked(page: Page, stub: CitizenStub) -> None:
    stub.session, stub.issuance = session("issued", saved=True), dict(SAVED)
    await page.goto(PAGE)
    await expect(page.get_by_test_id("certificate-subject")).to_contain_text("АЙГЕРІМ")
    await page.get_by_test_id("revoke").click()
    await page.get_by_test_id("revoke-confirm").click()
    assert await stub.asked("issuance/revoke") == {"reason": "no_longer_wanted"}
    await expect(page.get_by_test_id("revoked")).to_be_visible()


WEAK, GOOD = {"kilobits": 60, "audioLoss": 0}, {"kilobits": 400, "audioLoss": 0}
LOSSY, UNKNOWN = {"kilobits": 400, "audioLoss": 0.3}, {"kilobits": None, "audioLoss": 0}
RISING = [{"kilobits": 30 * 1.16**look, "audioLoss": 0} for look in range(10)]


@pytest.mark.parametrize(
    ("figures", "video"),
    [
        ([GOOD] * 4 + [UNKNOWN] * 4, [True] * 8),
        ([WEAK, WEAK, GOOD, WEAK, WEAK, GOOD], [True] * 6),
        ([WEAK] * 3, [True, True, False]),
        ([LOSSY] * 3, [True, True, False]),
        ([WEAK] * 3 + [GOOD] * 6, [True, True] + [False] * 5 + [True, True]),
        # An estimate that rises after a try is waited for; one that stands still is not.
        ([WEAK] * 8 + RISING, [True] * 2 + [False] * 5 + [True] * (1 + len(RISING))),
        (RISING[:4] + [RISING[3]] * 3, [True] * 5 + [False] * 2),
        # A try that fails is followed by a longer rest: 5 looks, then 10.
        ([WEAK] * 30, [True] * 2 + [False] * 5 + [True] * 3 + [False] * 10 + [True] * 3 + [False] * 7),
    ],
)
async def test_the_picture_is_shed_before_the_voice(
    page: Page, stub: CitizenStub, figures: list[dict[str, float]], video: list[bool]
) -> None:
    stub.session = None
    await page.goto(PAGE)
    seen = await page.evaluate(
        """async (looks) => {
          const { Shedding } = await import("/shared/shedding.js");
          const shedding = new Shedding();
          return looks.map((look, number) => shedding.look({ ...look, now: 2000 * (number + 1) }));
        }""",
        figures,
    )
    assert seen == video


SHED_AND_SENT = """async () => {
  const { Call } = await import("/shared/call.js");
  const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: true });
  const far = new RTCPeerConnection();
  const told = [];
  const answers = {
    candidate: ({ candidate }) => candidate && far.addIceCandidate(candidate),
    offer: async ({ sdp, attempt }) => {
      await far.setRemoteDescription({ type: "offer", sdp });
      await far.setLocalDescription();
      call.heard({ type: "answer", call: "c", attempt, sdp: far.localDescription.sdp });
    },
  };
  const socket = { send: (message) => void answers[message.type](message), prove: () => {} };
  const call = new Call({ id: "c", stream, socket });
  far.onicecandidate = ({ candidate }) => candidate && call.peer.addIceCandidate(candidate);
  let video = true;
  call.shedding.look = () => !(call.shedding.shed = !video);
  const figures = async (code) => {
    for (;;) {
      const event = await new Promise((resolve) => call.addEventListener("quality", resolve, { once: true }));
      if (event.detail.code === code) return event.detail.figures.up;
    }
  };
  await call.start();
  const sent = await figures("no_picture");
  video = false;
  await figures("sound_only_up");
  const shed = await figures("sound_only_up");
  video = true;
  await figures("no_picture");
  const again = await figures("no_picture");
  call.stop();
  far.close();
  return [sent.framesPerSecond, shed.framesPerSecond, again.framesPerSecond];
}"""


async def test_a_shed_picture_is_not_sent_and_comes_back(page: Page, stub: CitizenStub) -> None:
    stub.session = None
    await page.goto(PAGE)
    sent, shed, again = await page.evaluate(SHED_AND_SENT)
    assert sent > 3
    assert shed == 0
    assert again > 3


RECEIVED_APART = """async () => {
  const { Call } = await import("/shared/call.js");
  const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: true });
  let far, near;
  let number = 0;
  const statuses = [];
  const offers = [];
  const offer = async () => {
    near = new RTCPeerConnection();
    for (const track of stream.getTracks()) near.addTrack(track, stream);
    const gathered = new Promise((resolve) => (near.onicecandidate = ({ candidate }) => candidate ?? resolve()));
    await near.setLocalDescription();
    await gathered;
    call.heard({ type: "receive", call: "c", number: ++number, sdp: near.localDescription.sdp, side: true });
    call.heard({ type: "receive", call: "c", number, sdp: near.localDescription.sdp, side: false });
  };
  const answers = {
    candidate: ({ candidate, receiving }) => candidate && (receiving ? near : far).addIceCandidate(candidate),
    offer: async ({ sdp, attempt }) => {
      offers.push(attempt);
      far?.close();
      far = new RTCPeerConnection();
      far.onicecandidate = ({ candidate }) => candidate && call.peer.addIceCandidate(candidate);
      await far.setRemoteDescription({ type: "offer", sdp });
      await far.setLocalDescription();
      call.heard({ type: "answer", call: "c", attempt, sdp: far.localDescription.sdp });
      await offer();
    },
    received: ({ sdp }) => near.setRemoteDescription({ type: "answer", sdp }),
  };
  const socket = { send: (message) => void answers[message.type](message), prove: () => {} };
  const call = new Call({ id: "c", stream, socket });
  call.otherConnected = true;
  call.addEventListener("status", ({ detail }) => statuses.push(detail));
  const video = document.createElement("video");
  video.muted = true;
  const seen = async () => {
    video.srcObject = (await new Promise((resolve) => call.addEventListener("remote", resolve, { once: true }))).detail;
    await video.play();
    await new Promise((resolve) => video.requestVideoFrameCallback(resolve));
  };
  void call.start();
  await seen();
  const first = near;
  void offer();
  await seen();
  first.close();
  const kept = [statuses.at(-1), offers.length, call.receiving.former];
  const { detail } = await new Promise((resolve) => call.addEventListener("quality", resolve, { once: true }));
  const { up, down } = detail.figures;
  near.close();
  await seen();
  const again = [statuses.slice(-2), offers.length];
  call.stop();
  far.close();
  near.close();
  return { kept, up: up.framesPerSecond, down: down.framesPerSecond, again, open: call.receiving.state };
}"""


async def test_what_comes_over_a_connection_of_its_own_is_shown_counted_and_made_anew(
    page: Page, stub: CitizenStub
) -> None:
    stub.session = None
    await page.goto(PAGE)
    found = await page.evaluate(RECEIVED_APART)
    assert found["kept"] == ["connected", 1, None], "a later offer takes the earlier one's place without a word"
    assert found["up"] > 3 and found["down"] > 3
    assert found["again"] == [["reconnecting", "connected"], 2]
    assert found["open"] == "none"
