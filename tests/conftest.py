"""What all tests share."""

from __future__ import annotations

from hypothesis import settings

# A busy machine is no reason for a property to fail; what is slow shows in --durations.
settings.register_profile("betpe", deadline=None, derandomize=True)
settings.load_profile("betpe")
