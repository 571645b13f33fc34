"""What all tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog
from hypothesis import settings

# A busy machine is no reason for a property to fail; what is slow shows in --durations.
settings.register_profile("betpe", deadline=None, derandomize=True)
settings.load_profile("betpe")

PICTURES = frozenset(
    {
        "test_attacks.py",
        "test_card.py",
        "test_commands.py",
        "test_document.py",
        "test_face_evaluate.py",
        "test_face.py",
        "test_face_command.py",
        "test_issuing_ceremony.py",
        "test_liveness.py",
        "test_security_features.py",
        "test_signals.py",
        "test_specimen.py",
        "test_tilt.py",
    }
)
"""Unit tests that judge many pictures or start processes: ``make test-fast`` leaves them to ``make test``."""


REAL_WORLD = frozenset({"api", "browser", "contract", "media"})
"""Tests of real programs, sockets and clocks: what fails there is tried once more, and the summary names it."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.name in PICTURES:
            item.add_marker("slow")
        if REAL_WORLD & set(item.path.parts):
            item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.fixture(autouse=True)
def _own_log() -> Iterator[None]:
    """A test that sets the log up writes to what pytest caught of it alone, which is closed behind it."""
    yield
    structlog.reset_defaults()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if again := terminalreporter.stats.get("rerun"):
        terminalreporter.write_line("Failed at first, tried once more (a cause to look for, machine or product):")
        for report in again:
            terminalreporter.write_line(f"  {report.nodeid} ({report.when})\n{report.longreprtext}")
