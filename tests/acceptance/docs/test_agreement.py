"""What the documentation lists is compared with what there is."""

import re
from collections.abc import Iterator

from pydantic import BaseModel

from acceptance.docs.blocks import CHECKOUT, PAGES
from acceptance.docs.commands import all_commands, commands_in
from trenova.config import Settings

CODE_SPAN = re.compile(r"`([^`\n]+)`")
LABELS = re.compile(r"\{.*\}$")
INSTRUMENT = re.compile(r'\b(Counter|Gauge|Histogram|GaugeMetricFamily|CounterMetricFamily)\(\s*"(trenova_\w+)"')


def settings(section: type[BaseModel], path: str = "") -> Iterator[str]:
    """The full name of each setting."""
    for name, field in section.model_fields.items():
        key = f"{path}{field.alias or name}"
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from settings(kind, f"{key}.")
        else:
            yield key


def metrics() -> set[str]:
    """The names of our metrics, as they stand on a page of metrics."""
    found = [match for path in (CHECKOUT / "src").rglob("*.py") for match in INSTRUMENT.findall(path.read_text())]
    return {f"{name}_total" if kind.startswith("Counter") else name for kind, name in found}


def names_in_rows(page: str) -> set[str]:
    """The names in the first column of a page's tables, each as it is written, without the labels of a metric."""
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    return {LABELS.sub("", name) for row in rows for name in CODE_SPAN.findall(row)}


def test_every_setting_has_a_row_in_the_documentation_and_every_row_a_setting() -> None:
    assert names_in_rows((CHECKOUT / "docs/configuration.md").read_text()) == set(settings(Settings))


def test_every_metric_of_ours_has_a_row_in_the_documentation() -> None:
    found = metrics()
    assert len(found) > 30
    documented = names_in_rows((CHECKOUT / "docs/monitoring.md").read_text())
    # Named in the paragraph below the tables: both processes have them.
    documented |= {"trenova_build_info", "trenova_encryption_key_info", "trenova_encryption_key_fingerprint_info"}
    assert found - documented == set()


def test_every_command_is_named_in_the_documentation() -> None:
    named = {command for path in PAGES for command in commands_in(path.read_text())}
    assert set(all_commands()) - named == set()


def test_a_row_with_the_same_last_segment_is_not_the_row_of_a_setting() -> None:
    assert names_in_rows("| `temporal.tls.certFile`, `keyFile` | – | PEM files |") == {
        "temporal.tls.certFile",
        "keyFile",
    }


def test_a_word_of_prose_is_not_a_command() -> None:
    assert list(
        commands_in("You import events. Type `trenova keys check` before; `trenova nothing` is not there.")
    ) == ["keys check"]
    assert list(commands_in("```console\n$ trenova retention set --days 3\nacme: kept by trenova dev\n```")) == [
        "retention set"
    ]


def test_links_lead_to_a_file_and_to_a_heading_in_it() -> None:
    for page in PAGES:
        for target, anchor in re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", page.read_text()):
            path = page.parent / target if target else page
            assert path.exists(), f"{page.name} links to {target}"
            assert not anchor or anchor in anchors(path.read_text()), f"{page.name} links to {target}#{anchor}"


def anchors(page: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
