"""What is done to the media processes of a running service, and how long each page is without a picture then."""

from __future__ import annotations

import asyncio
import signal
import time
from typing import Any

import psutil
from playwright.async_api import Page

from tests.browser.journey import Journey
from tests.browser.served import Served

AGAIN_SECONDS = 30.0
"""A page that shows nothing new for this long will not come back."""
STEADY_FRAMES = 10
WATCH = """() => {
  if (window.shownAt) return;
  window.shownAt = [];
  window.shownWords = [];
  const now = () => performance.timeOrigin + performance.now();
  const follow = (video) => {
    if (window.followed === video) return;
    window.followed = video;
    const shown = () => {
      if (window.followed !== video) return;
      window.shownAt.push(now());
      video.requestVideoFrameCallback(shown);
    };
    video.requestVideoFrameCallback(shown);
  };
  const look = () => {
    const video = document.querySelector("[data-testid=call-remote]");
    if (video) follow(video);
    const word = document.querySelector("[data-testid=call-request], .stage__instead")?.textContent.trim() ?? "";
    if (window.shownWords.at(-1)?.word !== word) window.shownWords.push({ word, at: now() });
    requestAnimationFrame(look);
  };
  look();
}"""
BACK = """([since, steady]) => {
  const shown = window.shownAt.filter((at) => at > since);
  let back = null;
  let longest = 0;
  let before = since;
  for (const [number, at] of shown.entries()) {
    if (at - before > longest) [longest, back] = [at - before, number + steady <= shown.length ? at - since : null];
    before = at;
  }
  return longest > 250 || performance.timeOrigin + performance.now() - since > 3000 ? back : null;
}"""
"""Milliseconds from ``since`` to the end of the longest time without a new picture; null before it is over. A loss that
nobody could see, as it took no longer than a frame of a busy machine, is looked for over three seconds."""


def media_processes(served: Served) -> list[psutil.Process]:
    assert served.process is not None
    children = psutil.Process(served.process.pid).children()
    return [child for child in children if "server.media.node" in child.cmdline()]


def carrier(served: Served) -> psutil.Process:
    """The media process that carries the call: it is the one with sockets."""
    (found,) = [process for process in media_processes(served) if process.net_connections(kind="udp")]
    return found


async def watch(page: Page) -> None:
    """From now on the page notes when it shows a new picture, and the words over or instead of it."""
    await page.evaluate(WATCH)


async def back_after(pages: tuple[Page, ...], since: float) -> list[float]:
    """Seconds from ``since`` (epoch) until each page showed the other end again. Raises TimeoutError."""

    async def back(page: Page) -> float:
        while True:
            found: float | None = await page.evaluate(BACK, [since * 1000, STEADY_FRAMES])
            if found is not None:
                return found / 1000
            await asyncio.sleep(0.1)

    async with asyncio.timeout(AGAIN_SECONDS):
        return list(await asyncio.gather(*(back(page) for page in pages)))


async def words_since(page: Page, since: float) -> list[str]:
    found: list[dict[str, Any]] = await page.evaluate("window.shownWords")
    return [one["word"] for one in found if one["at"] > since * 1000]


async def lose_process(journey: Journey, how: signal.Signals) -> tuple[list[float], list[list[str]]]:
    """Kill (SIGKILL) or hang (SIGSTOP) the process that carries the call.

    (seconds until a picture was back at citizen and consultant, the words that each of them saw meanwhile).
    """
    pages = (journey.citizen, journey.consultant)
    for page in pages:
        await watch(page)
    process = carrier(journey.served)
    since = time.time()
    process.send_signal(how)
    seconds = await back_after(pages, since)
    return seconds, [await words_since(page, since) for page in pages]
