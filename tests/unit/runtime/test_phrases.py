"""Counts and durations within a sentence."""

from datetime import timedelta

import pytest

from trenova.runtime.phrases import many, span


@pytest.mark.parametrize(("count", "phrase"), [(0, "0 entries"), (1, "1 entry"), (2000, "2,000 entries")])
def test_only_a_count_of_one_takes_the_singular(count: int, phrase: str) -> None:
    assert many(count, "entry", "entries") == phrase


@pytest.mark.parametrize(
    ("seconds", "phrase"),
    [
        (0.9, "0 s"),
        (119, "119 s"),
        (120, "2 min"),
        (7199, "119 min"),
        (7200, "2 h"),
        (172_799, "47 h"),
        (172_800, "2 days"),
    ],
)
def test_a_duration_is_rounded_down_to_one_unit(seconds: float, phrase: str) -> None:
    assert span(timedelta(seconds=seconds)) == phrase
