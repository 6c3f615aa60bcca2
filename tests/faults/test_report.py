"""The report of a run, and how it gets into the documentation."""

from pathlib import Path

import pytest
from chaos import report
from chaos.conduct import RunPlan
from chaos.judge import CheckCounts, Outcome
from chaos.run import command_of
from chaos.tally import Findings

from trenova.errors import InvalidRequest

PAGE = Path(__file__).parents[2] / "docs/faults.md"


def test_a_report_replaces_only_the_section_of_its_run_on_the_page() -> None:
    findings = Findings()
    findings.add("lost", "acknowledged and not stored")
    counts = {"sent": 7, "acknowledged": 7, "stored": 6, "verified": 6, "checkpoints": 1, "receipts": 0}
    outcome = Outcome(
        checked=CheckCounts(findings=findings, **counts),
        recoveries=(),
        waits=None,
        retries=3,
        seconds=61,
        deaths=["postgres ended with exit code 1: the last line"],
        given_up=1,
    )
    made = report.markdown("make chaos", RunPlan(seed=5, schedule=(), entries=7, seconds=60), outcome, "On a machine:")
    assert "postgres ended with exit code 1: the last line" in made
    page = PAGE.read_text()
    page_with_report = report.replace_section(page, made)
    before, title, after = page_with_report.partition("## A run\n")
    assert (before, title) == page.partition("## A run\n")[:2]
    assert "`make chaos`, seed 5, 61 s of load and faults: **FAILED**." in after
    assert "| lost | 1 |" in after
    assert "| parts that ran but were stuck | 1 |" in after
    assert "the last line" not in after
    assert report.replace_section(page_with_report, made) == page_with_report


def test_the_command_is_shown_without_the_path_of_its_report() -> None:
    argv = ["--minutes", "20", "--report", "/home/me/faults.md", "--storage"]
    assert command_of(argv) == 'make chaos ARGS="--minutes 20 --storage"'
    assert command_of(["--report", "faults.md"]) == "make chaos"


def test_a_text_that_is_not_a_report_replaces_nothing() -> None:
    with pytest.raises(InvalidRequest, match="there is no section"):
        report.replace_section(PAGE.read_text(), "# Another page\n")
