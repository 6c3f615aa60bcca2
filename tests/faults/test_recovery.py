"""Times to recover, from known times of faults, acknowledgements and appends."""

from chaos import plan, recovery
from chaos.faults import InjectedFault
from chaos.recovery import Times

SCHEDULE = plan.faults(1, 3, [("kill", "api")])
INJECTED = [
    InjectedFault(fault=fault, struck=at, back=at + 2) for fault, at in zip(SCHEDULE, (10, 20, 90), strict=True)
]


def test_a_recovery_is_the_time_from_being_back_to_the_first_of_each() -> None:
    first, *_ = recovery.recoveries(INJECTED, [1, 11.9, 12.5, 13], [11, 14, 15])
    assert (first.acknowledged_s, first.stored_s) == (0.5, 2)


def test_a_fault_that_struck_before_leaves_no_time() -> None:
    first, second, third = recovery.recoveries(INJECTED, [21, 30], [90.5, 123])
    assert (first.acknowledged_s, first.stored_s) == (None, None)
    assert (second.acknowledged_s, second.stored_s) == (8, None)
    assert (third.acknowledged_s, third.stored_s) == (None, 31)


def test_what_took_longer_than_the_limit_is_missed() -> None:
    found = recovery.recoveries(INJECTED, [12, 22, 92], [12, 53, 121])
    assert [each.injected.fault.number for each in recovery.over_limit(found)] == [2]


def test_times_are_summed_up_for_each_kind() -> None:
    found = recovery.recoveries(INJECTED, [13, 24, 95], [13, 24])
    ((name, (count, acknowledged, stored)),) = recovery.by_name(found).items()
    assert (name, count) == ("kill api", 3)
    assert acknowledged == Times(count=3, median=2, p99=3, worst=3)
    assert stored == Times(count=2, median=1, p99=2, worst=2)
    assert recovery.times([None]) is None
