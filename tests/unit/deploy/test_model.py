"""The model of docs/scaling.md has the benchmark's numbers, foretells what was measured, and is on the page."""

import re

import pytest
from benchmarks import model

from unit.deploy.files import CHECKOUT

MEASURED = (CHECKOUT / "docs" / "performance.md").read_text()
PAGE = (CHECKOUT / "docs" / "scaling.md").read_text()
ROWS = {"bulk": model.BULK, "single": model.SINGLE}


def measured_row(name: str) -> list[str]:
    """The cells of our row in the first table of the performance page."""
    found = re.search(
        rf"^\| \*\*ours, {name}\*\* \((?:500 a request|64 connections)\) \|(.*)\|$", MEASURED, re.MULTILINE
    )
    assert found is not None
    return [cell.strip() for cell in found[1].split("|")]


@pytest.mark.parametrize("name", ROWS)
def test_processor_seconds_are_those_of_the_benchmark(name: str) -> None:
    parts = dict(re.findall(r"(API|worker|Temporal|PostgreSQL) ([\d.]+)", measured_row(name)[-1]))
    assert {part: float(seconds) for part, seconds in parts.items()} == ROWS[name].cpu_s


@pytest.mark.parametrize("name", ROWS)
def test_the_model_gives_the_measuring_machine_its_measured_throughput(name: str) -> None:
    measured = float(measured_row(name)[0].replace(",", ""))
    assert model.entries_s(2, ROWS[name]) == pytest.approx(measured, rel=0.05)


def test_workflows_and_actions_are_those_of_the_benchmark() -> None:
    assert "| Temporal actions a thousand entries, bulk | ≤ 2 | 1.75 | |" in MEASURED
    assert model.BULK.workflows * model.ACTIONS == 1.75
    assert "a\n  workflow for every 33 entries" in MEASURED
    assert model.SINGLE.workflows == pytest.approx(1000 / 33)
    # Single entries at full load: as many workflows as one API process starts.
    assert float(measured_row("single")[0]) / 33 == pytest.approx(model.STARTS_S, rel=0.05)


def test_a_load_that_the_model_was_not_made_from_is_foretold() -> None:
    """150 single entries a second took 10.1 processor seconds and 104 workflows a thousand."""
    workflows = model.workflows_s(150, model.SINGLE, processes=1) / 150 * 1000
    assert workflows == pytest.approx(104, rel=0.25)
    assert sum(model.cpu_s(model.SINGLE, 104).values()) == pytest.approx(10.1, rel=0.2)


def test_sizes_and_times_are_those_of_the_decision_about_trees() -> None:
    decision = (CHECKOUT / "docs" / "decisions" / "0010-trees-in-the-transaction.md").read_text()
    assert f"{model.STORED_BYTES:,} now" in decision
    assert "126 ms now" in decision
    assert 1000 / model.tenant_entries_s(1000) == pytest.approx(0.126, rel=0.01)
    assert "8.8 ms now" in decision.replace("\n", " ").replace("  ", " ")
    assert 10 / model.tenant_entries_s(10) == pytest.approx(0.0088, rel=0.01)


def test_the_largest_batch_is_that_of_the_program() -> None:
    from trenova.ingest import group  # noqa: PLC0415 - slow to import

    assert model.MAX_BATCH_ENTRIES == group.MAX_BATCH_ENTRIES


@pytest.mark.parametrize(
    ("million_actions", "dollars"), [(0, 0), (5, 250), (11.25, 525), (200, 5925), (300, 5925 + 2500)]
)
def test_prices_are_added_tier_by_tier(million_actions: float, dollars: float) -> None:
    assert model.price_of(million_actions) == pytest.approx(dollars)


def test_the_page_has_the_tables_that_the_model_prints() -> None:
    for table in model.tables():
        assert table in PAGE


def test_the_page_has_what_the_model_says_of_the_measuring_machine() -> None:
    for shape in ROWS.values():
        assert f"{model.entries_s(2, shape):,.0f}" in PAGE
    assert f"| {sum(model.cpu_s(model.SINGLE, 104).values()):.1f} |" in PAGE
