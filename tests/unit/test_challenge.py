"""The catalogue of steps and the drawing of scripts."""

from __future__ import annotations

import itertools
import json
import secrets
from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verification import challenge
from verification.challenge import Kind, Script, ScriptTooWeak, choose


def luminance(shade: str) -> float:
    """WCAG's relative luminance."""
    channels = [int(shade[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@given(st.integers(), st.integers(3, 5), st.sets(st.sampled_from(list(Kind)), max_size=3))
def test_every_script_keeps_the_rules(seed: int, count: int, excluded: set[Kind]) -> None:
    script = choose(Random(seed), count, frozenset(excluded))
    kinds = [step.kind for step in script.steps]
    assert count <= len(kinds) <= challenge.MAX_STEPS
    assert not set(kinds) & excluded
    assert all(a != b for a, b in itertools.pairwise(kinds))
    assert kinds.count(Kind.COLOUR_FLASH) == (0 if Kind.COLOUR_FLASH in excluded else 1)
    assert kinds.count(Kind.READ_DIGITS) <= 1
    assert script.entropy_bits >= challenge.MIN_BITS
    assert all(step.rest in challenge.REST_SECONDS and step.window >= 4 for step in script.steps)
    json.dumps([dict(step.parameters) for step in script.steps])


def test_flashes_harm_nobody_by_rule() -> None:
    assert 1 / challenge.FLASH_SECONDS <= 3  # changes a second, WCAG 2.3.1
    levels = [luminance(shade) for shade in challenge.FLASH_COLOURS.values()]
    assert max(levels) - min(levels) < 0.1  # less than what counts as a flash at all
    for shade in challenge.FLASH_COLOURS.values():
        red, green, blue = (int(shade[i : i + 2], 16) for i in (1, 3, 5))
        assert red / (red + green + blue) < 0.8  # not a saturated red


def test_colours_change_at_every_slot() -> None:
    for seed in range(50):
        (flash,) = [s for s in choose(Random(seed)).steps if s.kind is Kind.COLOUR_FLASH]
        colours = flash.parameters["colours"]
        assert len(colours) == challenge.FLASH_SLOTS
        assert all(a != b for a, b in itertools.pairwise(colours))
        assert flash.parameters["shades"] == [challenge.FLASH_COLOURS[name] for name in colours]


def test_entropy_is_the_surprise_of_the_draw() -> None:
    """With turning, nodding and blinking left, the distribution can be counted."""
    excluded = frozenset({Kind.COLOUR_FLASH, Kind.READ_DIGITS, Kind.OPEN_MOUTH, Kind.COME_CLOSER})
    random = Random(5)
    drawn: Counter[tuple[Kind, ...]] = Counter()
    bits = {}
    for _ in range(30_000):
        script = challenge._draw(random, 2, [kind for kind in Kind if kind not in excluded], False)
        assert script is not None
        key = tuple(step.kind for step in script.steps)
        drawn[key] += 1
        bits[key] = script.entropy_bits
    assert sum(2.0**-value for value in bits.values()) == pytest.approx(1, abs=0.02)  # bits are rounded to 0.01
    for key, count in drawn.items():
        assert count / 30_000 == pytest.approx(2.0 ** -bits[key], rel=0.2)


def test_two_scripts_in_a_row_have_nothing_to_do_with_each_other() -> None:
    source = secrets.SystemRandom()
    pairs = [(choose(source), choose(source)) for _ in range(400)]

    def first(script: Script) -> Kind:
        return script.steps[0].kind

    assert sum(a.steps == b.steps for a, b in pairs) == 0
    same = sum(first(a) == first(b) for a, b in pairs) / len(pairs)
    assert 0.05 < same < 0.3  # about 1/7 when independent
    followers = {first(b) for a, b in pairs if first(a) == Kind.COLOUR_FLASH}
    assert len(followers) >= 6


def test_every_need_leaves_a_script() -> None:
    for need, kinds in challenge.NEEDS.items():
        assert challenge.excluded_for([need]) == kinds
        assert choose(Random(1), excluded=kinds).entropy_bits >= challenge.MIN_BITS
    both = challenge.excluded_for(["light_sensitive", "cannot_turn_head"])
    assert choose(Random(2), excluded=both).entropy_bits >= challenge.MIN_BITS


def test_too_few_kinds_are_refused_not_weakened() -> None:
    with pytest.raises(ScriptTooWeak) as caught:
        choose(Random(1), excluded=frozenset(set(Kind) - {Kind.NOD, Kind.OPEN_MOUTH}))
    assert caught.value.code == "challenge_too_weak"
    with pytest.raises(ScriptTooWeak):
        choose(Random(1), excluded=frozenset(Kind))


@pytest.mark.parametrize("count", [0, 8, -1])
def test_count_is_bounded(count: int) -> None:
    with pytest.raises(ValueError, match="count"):
        choose(Random(1), count)


def test_unknown_need_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown need"):
        challenge.excluded_for(["tall"])
