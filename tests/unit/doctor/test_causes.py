"""Of all findings that one or two faults produce, the causes come first, and the others name what they follow from."""

from collections.abc import Iterable, Mapping

import pytest

from trenova.doctor import causes
from trenova.doctor.checks import DOCTOR
from trenova.doctor.finding import Finding, Kind, State

KINDS = {check.name: check.kind for check in DOCTOR}
NEEDS = {check.name: check.needs for check in DOCTOR}

# The findings of each fault: the state of every check that is not ok, and which parts the API reports.
TEMPORAL_STOPPED = {"temporal port": State.FAILED, "api readiness": ("temporal",)}
TEMPORAL_FROZEN = {"temporal TLS": State.FAILED, "api readiness": ("temporal",)}
DATABASE_STOPPED = {"database": State.FAILED, "api readiness": ("database",), "api key": State.FAILED}
# The API's own check of the database hangs as well, so it does not answer.
DATABASE_FROZEN = {"database": State.FAILED, "api readiness": State.FAILED, "api key": State.FAILED}
SCHEMA_OLD = {"database schema": State.FAILED, "api readiness": ("database",)}
BATCHES_WAIT = {"storing": State.FAILED, "open batches": State.WARNING}
WORKER_STOPPED = {"workers": State.FAILED, "backlog": State.WARNING, "reconciliation": State.WARNING}
WORKER_KEYS_WRONG = {
    "keys of workers": State.FAILED,
    "workers": State.WARNING,
    "stuck workflows": State.FAILED,
    "open batches": State.WARNING,
}
API_STOPPED = {"api": State.FAILED}
API_KEYS_WRONG = {"keys of the API": State.FAILED, "keys of open workflows": State.FAILED}
DOCTOR_KEYS_WRONG = {
    "keys here": State.FAILED,
    "keys of the API": State.FAILED,
    "keys of open workflows": State.FAILED,
}
API_KEY_WRONG = {"api key": "alone"}
LOG_DAMAGED = {"verification": "alone"}
PARKED = {"parked entries": State.WARNING}
CLOCK_WRONG = {"temporal clock": State.FAILED, "database clock": State.FAILED}
SCHEDULE_PAUSED = {"schedules": "alone warning"}

Shown = Mapping[str, State | tuple[str, ...] | str]


def rank(shown: Shown) -> list[Finding]:
    """Findings as the doctor ranks them; a check that needs a failed one is not checked."""
    made: dict[str, Finding] = {}
    for name, kind in KINDS.items():
        given = shown.get(name, State.OK)
        blames = given if isinstance(given, tuple) else ()
        state = given if isinstance(given, State) else State.WARNING if given == "alone warning" else State.FAILED
        stopped = any(needs_stopped(name, shown))
        made[name] = Finding(
            check=name,
            kind=kind,
            state=State.UNCHECKED if stopped else state,
            cause=f"{name} is {state}",
            next_step=None if state is State.OK else f"fix {name}",
            blames=blames,
            stands_alone=isinstance(given, str) and given.startswith("alone"),
        )
    return causes.rank_findings(list(made.values()))


def needs_stopped(name: str, shown: Shown) -> Iterable[bool]:
    for other in NEEDS[name]:
        yield other in shown and shown[other] not in {State.WARNING, "alone warning"}
        yield from needs_stopped(other, shown)


ONE = [
    (TEMPORAL_STOPPED, "temporal port"),
    (TEMPORAL_FROZEN, "temporal TLS"),
    (DATABASE_STOPPED, "database"),
    (DATABASE_STOPPED | BATCHES_WAIT, "database"),
    (DATABASE_FROZEN, "database"),
    (SCHEMA_OLD, "database schema"),
    (BATCHES_WAIT, "storing"),
    (WORKER_STOPPED, "workers"),
    # The database was unreachable when the worker was killed.
    (WORKER_STOPPED | BATCHES_WAIT, "workers"),
    (WORKER_KEYS_WRONG, "keys of workers"),
    (API_STOPPED, "api"),
    (API_KEYS_WRONG, "keys of the API"),
    (DOCTOR_KEYS_WRONG, "keys here"),
    (API_KEY_WRONG, "api key"),
    (LOG_DAMAGED, "verification"),
    (PARKED, "parked entries"),
    (SCHEDULE_PAUSED, "schedules"),
]


@pytest.mark.parametrize(("shown", "cause"), ONE)
def test_one_fault_has_one_cause(shown: Shown, cause: str) -> None:
    findings = rank(shown)
    assert [each.check for each in causes.causes(findings)] == [cause]
    for each in findings:
        if each.state in {State.FAILED, State.WARNING} and each.check != cause:
            assert each.follows_from == cause
            assert each.next_step == f"follows from `{cause}`: fix that first"
        elif each.check != cause:
            assert each.follows_from is None


PAIRS = [
    (TEMPORAL_STOPPED, DATABASE_STOPPED, ["temporal port", "database"]),
    (TEMPORAL_STOPPED, DATABASE_FROZEN, ["temporal port", "database"]),
    (TEMPORAL_FROZEN, API_STOPPED, ["temporal TLS", "api"]),
    (TEMPORAL_STOPPED, WORKER_STOPPED, ["temporal port"]),
    (DATABASE_STOPPED, WORKER_STOPPED, ["database", "workers"]),
    (DATABASE_STOPPED, WORKER_KEYS_WRONG, ["database", "keys of workers"]),
    (DATABASE_FROZEN, API_STOPPED, ["database", "api"]),
    (WORKER_STOPPED, API_STOPPED, ["workers", "api"]),
    (WORKER_STOPPED, API_KEYS_WRONG, ["keys of the API", "workers"]),
    (WORKER_STOPPED, LOG_DAMAGED, ["workers", "verification"]),
    (WORKER_STOPPED, SCHEDULE_PAUSED, ["workers", "schedules"]),
    (SCHEMA_OLD, WORKER_STOPPED, ["database schema", "workers"]),
    (CLOCK_WRONG, WORKER_STOPPED, ["temporal clock", "database clock", "workers"]),
    (PARKED, WORKER_KEYS_WRONG, ["keys of workers", "parked entries"]),
    (API_KEY_WRONG, WORKER_STOPPED, ["workers", "api key"]),
    (API_KEY_WRONG, TEMPORAL_STOPPED, ["temporal port", "api key"]),
    (DOCTOR_KEYS_WRONG, WORKER_KEYS_WRONG, ["keys here", "keys of workers"]),
]


@pytest.mark.parametrize(("one", "other", "named"), PAIRS)
def test_of_two_faults_the_lower_part_is_named_first_and_nothing_else_is_a_cause(
    one: Shown, other: Shown, named: list[str]
) -> None:
    shown: dict[str, State | tuple[str, ...] | str] = {**one, **other}
    if "api readiness" in one and "api readiness" in other:
        shown["api readiness"] = tuple(
            part for each in (one, other) if isinstance(blamed := each["api readiness"], tuple) for part in blamed
        )
    findings = rank(shown)
    assert [each.check for each in causes.causes(findings)] == named
    assert causes.exit_code(findings) == KINDS[named[0]]


def test_a_part_that_the_api_reports_is_a_cause_if_that_part_is_ok_from_here() -> None:
    findings = rank({"api readiness": ("temporal", "database"), "database": State.FAILED})
    assert [each.check for each in causes.causes(findings)] == ["database", "api readiness"]


def test_a_warning_explains_nothing() -> None:
    findings = rank({"database rights": State.WARNING, "api readiness": ("database",)})
    assert [each.check for each in causes.causes(findings)] == ["api readiness", "database rights"]
    assert causes.exit_code(findings) == Kind.API


def test_every_name_in_the_ranking_is_a_check_and_no_check_follows_from_itself() -> None:
    named = {*causes.FOLLOWS_FROM, *(name for behind in causes.FOLLOWS_FROM.values() for name in behind)}
    assert named | {name for behind in causes.PARTS.values() for name in behind} <= KINDS.keys()
    for name in KINDS:
        assert name not in ancestors(name)


def ancestors(name: str, seen: frozenset[str] = frozenset()) -> frozenset[str]:
    for behind in causes.FOLLOWS_FROM.get(name, ()):
        if behind not in seen:
            seen = ancestors(behind, seen | {behind})
    return seen


def test_no_cause_and_only_warnings_have_their_own_exit_codes() -> None:
    assert causes.exit_code(rank({})) == causes.ALL_OK
    assert causes.exit_code(rank(PARKED)) == causes.WARNINGS
