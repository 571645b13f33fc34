"""A media process connects with itself before a browser comes, and says so where it cannot."""

from __future__ import annotations

import asyncio
import logging

import pytest

from server.media import rehearsal
from server.media.aiortc_internals import Network


async def test_it_succeeds_and_leaves_nothing_behind(caplog: pytest.LogCaptureFixture) -> None:
    before = asyncio.all_tasks()
    with caplog.at_level(logging.WARNING):
        await rehearsal.rehearse()
    assert not caplog.records
    assert asyncio.all_tasks() <= before


async def test_a_host_without_loopback_carries_calls_all_the_same(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rehearsal, "_HERE", Network(addresses=("192.0.2.99",)))
    await rehearsal.rehearse()
    assert "OSError" in caplog.text
