"""What all tests share."""

from __future__ import annotations

import pytest
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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.name in PICTURES:
            item.add_marker("slow")
