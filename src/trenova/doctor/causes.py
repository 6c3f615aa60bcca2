"""Ranks findings: which are causes, and which follow from another finding.

One fault shows in many places. If Temporal has stopped, the API is not ready either; if the workers have stopped, there
is also a backlog. Only a failed check explains another finding; a warning explains nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from trenova.doctor.finding import Finding, State

TEMPORAL = (
    "temporal name",
    "temporal port",
    "temporal TLS",
    "temporal dial",
    "temporal server",
    "temporal credentials",
    "temporal namespace",
)
DATABASE = ("database", "database schema", "database rights", "database writes")
KEYS = ("encryption keys",)
OTHER_KEYS = ("keys here", "keys of the API", "keys of workers")
WORKERS = ("workers", "worker version", *OTHER_KEYS, "storing")
# The parts that the API reports on, and the checks that examine the same parts from here.
PARTS: Mapping[str, tuple[str, ...]] = {"temporal": TEMPORAL, "database": DATABASE, "keys": KEYS}
# The finding of a check follows from the first of these checks that has failed.
FOLLOWS_FROM: Mapping[str, tuple[str, ...]] = {
    "spool": (*TEMPORAL, "api readiness"),
    "keys of the API": (*DATABASE, *TEMPORAL, "api readiness", "keys here"),
    "keys of open workflows": ("keys here", "keys of the API"),
    # Workers of another version than the current one receive no queries either.
    "workers": ("worker version", "keys of workers"),
    "backlog": (*DATABASE, *WORKERS),
    "open batches": (*DATABASE, *WORKERS, "keys of open workflows"),
    # The last failure that a killed worker has reported remains visible.
    "storing": (*DATABASE, "workers"),
    "stuck workflows": (*OTHER_KEYS, "keys of open workflows"),
    "api readiness": (*TEMPORAL, *DATABASE),
    "api key": (*DATABASE, "api readiness"),
    "api's temporal": (*DATABASE, "api readiness"),
    "schedules": ("workers", "worker version"),
    "reconciliation": (*TEMPORAL, *DATABASE, *WORKERS, "schedules"),
    "verification": (*DATABASE, *WORKERS, "schedules"),
    "witnesses": (*DATABASE, *WORKERS),
    "published checkpoints": (*DATABASE, *WORKERS),
}
ALL_OK, WARNINGS = 0, 3


def rank_findings(findings: Sequence[Finding]) -> list[Finding]:
    """The same findings in the same order; a finding that follows from another says so in its next step."""
    by_name = {finding.check: finding for finding in findings}
    failed = {name for name, finding in by_name.items() if finding.state is State.FAILED}
    return [with_root_cause(finding, by_name, failed) for finding in findings]


def with_root_cause(finding: Finding, by_name: Mapping[str, Finding], failed: set[str]) -> Finding:
    cause = root_cause(finding, by_name, failed)
    if cause is None:
        return finding
    return replace(finding, follows_from=cause, next_step=f"follows from `{cause}`: fix that first")


def root_cause(finding: Finding, by_name: Mapping[str, Finding], failed: set[str]) -> str | None:
    """The check that names the cause of this finding; None if the finding is a cause itself, or is ok."""
    if finding.state not in {State.FAILED, State.WARNING} or finding.stands_alone:
        return None
    behind = next((name for name in possible_causes(finding, failed) if name in failed), None)
    return None if behind is None else root_cause(by_name[behind], by_name, failed) or behind


def possible_causes(finding: Finding, failed: set[str]) -> Sequence[str]:
    """The checks that may explain a finding. Blamed parts explain it only if all of them have failed from here too."""
    if not finding.blames:
        return FOLLOWS_FROM.get(finding.check, ())
    failures = [next((name for name in PARTS[part] if name in failed), None) for part in finding.blames]
    return [] if None in failures else [name for name in failures if name is not None]


def causes(findings: Sequence[Finding]) -> list[Finding]:
    """The ranked findings that are causes, in the order to fix them: failures before warnings, then by kind."""
    own = [finding for finding in findings if finding.is_cause]
    return sorted(own, key=lambda finding: (finding.state is State.WARNING, finding.kind))


def exit_code(findings: Sequence[Finding]) -> int:
    """The kind of the first cause that has failed; 3 if there are only warnings; 0 if there is no cause."""
    first = next(iter(causes(findings)), None)
    if first is None:
        return ALL_OK
    return first.kind if first.state is State.FAILED else WARNINGS
