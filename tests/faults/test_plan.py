"""The schedule of faults: determined by its seed, and complete."""

import pytest
from chaos import plan


def test_the_same_seed_gives_the_same_schedule_and_another_seed_a_different_one() -> None:
    first, again, other = (plan.faults(seed, 200, plan.DECK) for seed in (1, 1, 2))
    assert first == again
    assert [fault.name for fault in first] != [fault.name for fault in other]


@pytest.mark.parametrize("deck", [plan.DECK, plan.DECK + plan.STORAGE_DECK, plan.SHORT_DECK])
def test_every_fault_occurs_once_before_any_occurs_twice(deck: tuple[tuple[plan.Kind, str], ...]) -> None:
    schedule = plan.faults(3, 2 * len(deck), deck)
    for begin in (0, len(deck)):
        assert {(fault.kind, fault.target) for fault in schedule[begin : begin + len(deck)]} == set(deck)


def test_every_part_and_every_link_is_hit() -> None:
    assert {target for kind, target in plan.DECK if kind == "kill"} >= {*plan.PARTS, plan.ALL}
    for kind in ("cut", "slow", "hang"):
        assert {target for each, target in plan.DECK if each == kind} == set(plan.LINKS)
