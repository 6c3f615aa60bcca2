"""Recovery times, computed from known times of faults, acknowledgements and appends."""

from chaos import plan, recovery
from chaos.faults import InjectedFault
from chaos.recovery import Times

SCHEDULE = plan.faults(1, 3, [("kill", "api")])
INJECTED = [
    InjectedFault(fault=fault, struck=at, back=at + 2) for fault, at in zip(SCHEDULE, (10, 20, 90), strict=True)
]


def test_a_recovery_time_runs_from_the_end_of_the_fault_to_the_first_acknowledgement_and_append() -> None:
    first, *_ = recovery.recoveries(INJECTED, [1, 11.9, 12.5, 13], [11, 14, 15])
    assert (first.acknowledged_s, first.stored_s) == (0.5, 2)


def test_a_fault_followed_by_another_before_its_recovery_has_no_recovery_time() -> None:
    first, second, third = recovery.recoveries(INJECTED, [21, 30], [90.5, 123])
    assert (first.acknowledged_s, first.stored_s) == (None, None)
    assert (second.acknowledged_s, second.stored_s) == (8, None)
    assert (third.acknowledged_s, third.stored_s) == (None, 31)


def test_a_recovery_that_exceeds_the_limit_is_missed() -> None:
    found = recovery.recoveries(INJECTED, [12, 22, 92], [12, 53, 121])
    assert [each.injected.fault.number for each in recovery.over_limit(found)] == [2]


def test_times_are_summarized_for_each_kind_of_fault() -> None:
    found = recovery.recoveries(INJECTED, [13, 24, 95], [13, 24])
    ((name, (count, acknowledged, stored)),) = recovery.by_name(found).items()
    assert (name, count) == ("kill api", 3)
    assert acknowledged == Times(count=3, median=2, p99=3, worst=3)
    assert stored == Times(count=2, median=1, p99=2, worst=2)
    assert recovery.times([None]) is None
