"""The engine that the settings ask for is the one that the service is given."""

from __future__ import annotations

import asyncio
import os

import pytest

from server.app import LEAST_MEDIA_PROCESSES, open_media
from server.media.embedded import EmbeddedMedia
from server.media.processes import MediaProcesses
from server.settings import Settings


@pytest.mark.parametrize(("asked", "count"), [(3, 3), (None, max(LEAST_MEDIA_PROCESSES, len(os.sched_getaffinity(0))))])
async def test_processes_by_default_one_per_core(asked, count):
    media = await open_media(Settings(media_processes=asked))
    assert isinstance(media, MediaProcesses)
    async with asyncio.timeout(30):
        while len(media.pids) < count:
            await asyncio.sleep(0.02)
    await asyncio.sleep(0.1)
    assert len(media.pids) == count
    await media.aclose()
    assert media.pids == []


async def test_no_more_processes_than_the_ports_are_for():
    media = await open_media(Settings(media_processes=4, media_ports="50000-50003"))
    assert isinstance(media, MediaProcesses)
    assert media.count == 2
    await media.aclose()


async def test_the_servers_own_process():
    media = await open_media(Settings(media="embedded"))
    assert isinstance(media, EmbeddedMedia)
    await media.aclose()


async def test_a_janus_that_is_not_there_is_said_at_the_start():
    with pytest.raises(ConnectionError):
        await open_media(
            Settings(media="janus", janus_url="ws://127.0.0.1:9", janus_secret="secret", janus_admin_key="key")
        )
