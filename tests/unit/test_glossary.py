"""Code, documentation and metrics keep to the words of docs/glossary.md."""

import ast
import importlib
import io
import json
import re
import tokenize
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY

CHECKOUT = Path(__file__).parents[2]
SRC = CHECKOUT / "src"
GLOSSARY = (CHECKOUT / "docs" / "glossary.md").read_text(encoding="utf-8")
TERM = re.compile(r"^\| \*\*([^*]+)\*\* \|", re.MULTILINE)
VALUES = re.compile(r"^\| (`[^|]+) \|", re.MULTILINE)

# Of labels, those whose values are numbers, versions, keys' ids or names of objects.
FREE_LABELS = {"le", "version", "id", "fingerprint", "age", "part"}

# A phrase, as a regular expression without regard to case, what to write in its place, and why.
FORBIDDEN: dict[str, tuple[str, str]] = {
    r"for (?:its|their) own sake": ("rejected", "the database rejects a row because of a rule"),
    r"(?:is|are|was|were) away(?! from)": ("is unreachable", "a part that does not answer has not left"),
    r"(?<!there )(?:is|are) back(?! to)": ("is available again", "a part that answers again has not returned"),
    r"again and again": ("repeatedly", "not technical English"),
    r"(?:is|are|was|were|be) told": ("gets, receives, says", "programs do not tell; logs, metrics and responses say"),
    r"tells": ("says, reports, shows", "programs do not tell; logs, metrics and responses say"),
    r"for ever": ("forever", "one spelling"),
    r"tak(?:e|es|en|ing) in": ("accepted", "the state of the glossary"),
    r"stands? still": ("is stuck, fails repeatedly", "say what does not make progress"),
    r"nobody knows": ("is unknown", "a passive is plainer"),
    r"somebody": ("an operator, a client, a program", "say who, or use a passive"),
    r"everybody": ("everyone, every client", "say who"),
    r"in vain": ("without success, until a timeout", "say what does not come"),
    r"(?<!there )(?<!where )(?:is|are) no (?!longer|more)\w+": ("is not a …, must be a …", "plainer"),
    r"mend(?:s|ed|ing)?": ("fix, repair", "the common word"),
    r"put(?:s|ting)? right": ("fix, correct", "the common word"),
    r"call somebody": ("operator action required", "a message says what is needed, not whom to call"),
    r"(?:made|make|makes|making) (?:\w+ )?sure": ("check that … is …", "say what is checked"),
    r"knows nothing of": ("does not depend on, does not import", "modules do not know things"),
    r"has to do with": ("concerns", "filler"),
    r"at all events": ("in any case, or nothing", "not technical English"),
    r"by and by": ("gradually", "not technical English"),
    r"of no use": ("stuck, useless", "say what does not work"),
    r"gets? on with": ("continues, makes progress", "not technical English"),
    r"gives? back": ("returns", "the common word"),
    r"the latter": ("repeat the noun", "the reader must look back"),
    r"let(?:s|ting)? (?:nobody|anybody|somebody) in": ("denies access, rejects every login", "say what is denied"),
    r"(?:has|have) a look": ("checks, reads", "say what is done"),
}
# Where a phrase may stand all the same: (path, phrase, reason).
ALLOWED: tuple[tuple[str, str, str], ...] = ()


def terms() -> list[str]:
    return TERM.findall(GLOSSARY)


def defined_words() -> set[str]:
    """Every term, and every value of the second table."""
    values = {value for row in VALUES.findall(GLOSSARY) for value in re.findall(r"`([^`]+)`", row)}
    return {*terms(), *values}


def modules() -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(SRC.rglob("*.py")):
        yield path, ast.parse(path.read_text(encoding="utf-8"))


def literals(node: ast.expr) -> list[str]:
    """The words of a `Literal[...]` in an annotation."""
    return [
        each.value
        for found in ast.walk(node)
        if isinstance(found, ast.Subscript) and isinstance(found.value, ast.Name) and found.value.id == "Literal"
        for each in ast.walk(found.slice)
        if isinstance(each, ast.Constant) and isinstance(each.value, str)
    ]


def words_of_state() -> set[str]:
    """The words of every field named `state`, `outcome`, `role` or `op`, and of every enumeration."""
    found: set[str] = set()
    for _, module in modules():
        for node in ast.walk(module):
            if isinstance(node, ast.AnnAssign) and getattr(node.target, "id", "") in {"state", "outcome", "role", "op"}:
                found.update(literals(node.annotation))
            if isinstance(node, ast.ClassDef) and {"StrEnum", "IntEnum"} & {
                getattr(base, "id", "") for base in node.bases
            }:
                found.update(members(node))
    return found


def members(enumeration: ast.ClassDef) -> Iterator[str]:
    """The values of an enumeration, or the names of its members where the values are numbers."""
    for node in enumeration.body:
        if (
            isinstance(node, ast.Assign)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.targets[0], ast.Name)
        ):
            yield node.value.value if isinstance(node.value.value, str) else node.targets[0].id.lower()


def collect_metrics() -> list[Any]:
    """Our metrics, once every module that makes one is imported."""
    for path in SRC.rglob("*.py"):
        if re.search(r"\b(Counter|Gauge|Histogram)\(\s*\"trenova_", path.read_text(encoding="utf-8")):
            importlib.import_module(".".join(path.relative_to(SRC).with_suffix("").parts))
    return [metric for metric in REGISTRY.collect() if metric.name.startswith("trenova_")]


def test_each_term_is_defined_once_and_in_alphabetical_order() -> None:
    assert len(terms()) > 50
    assert terms() == sorted(set(terms()), key=str.lower)


def test_every_word_of_a_state_is_defined() -> None:
    assert words_of_state() - defined_words() == set()


def test_every_value_of_a_metric_label_is_defined() -> None:
    metrics = collect_metrics()
    assert len(metrics) > 30
    found = {
        value
        for metric in metrics
        for sample in metric.samples
        for label, value in sample.labels.items()
        if label not in FREE_LABELS
    }
    assert found - defined_words() == set()


@pytest.mark.parametrize("term", terms())
def test_every_term_is_used(term: str) -> None:
    pattern = re.compile(rf"\b{re.escape(term)}", re.IGNORECASE)
    assert any(pattern.search(text) for path, _, text in prose() if path != "docs/glossary.md")


def pages() -> list[Path]:
    return [
        CHECKOUT / "README.md",
        CHECKOUT / "CONTRIBUTING.md",
        *sorted((CHECKOUT / "docs").glob("*.md")),
    ]


def prose_of_python(path: Path) -> Iterator[tuple[int, str]]:
    """The comments and the strings of a module, docstrings among them, each with its line. No identifiers."""
    content = path.read_text(encoding="utf-8")
    for token in tokenize.generate_tokens(io.StringIO(content).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
    for node in ast.walk(ast.parse(content)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def prose_of_page(path: Path) -> Iterator[tuple[int, str]]:
    yield 1, path.read_text(encoding="utf-8")


def prose_of_alerts(path: Path) -> Iterator[tuple[int, str]]:
    for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]:
        for rule in group["rules"]:
            yield 1, " ".join(rule["annotations"].values())


def prose_of_dashboard(path: Path) -> Iterator[tuple[int, str]]:
    for panel in json.loads(path.read_text(encoding="utf-8"))["panels"]:
        yield 1, f"{panel.get('title', '')} {panel.get('description', '')}"


Reader = Callable[[Path], Iterator[tuple[int, str]]]


@cache
def prose() -> list[tuple[str, int, str]]:
    """Everything that people read: its path, its line and its text on one line."""
    readers: list[tuple[Reader, list[Path]]] = [
        (prose_of_python, sorted(SRC.rglob("*.py"))),
        (prose_of_page, pages()),
        (prose_of_alerts, [CHECKOUT / "deploy" / "prometheus" / "alerts.yaml"]),
        (prose_of_dashboard, [CHECKOUT / "deploy" / "grafana" / "dashboard.json"]),
    ]
    return [
        (path.relative_to(CHECKOUT).as_posix(), line, re.sub(r"\s*\n[\s#]*", " ", text))
        for read, paths in readers
        for path in paths
        for line, text in read(path)
    ]


def occurrences(phrase: str) -> list[str]:
    """Where a phrase stands and may not."""
    pattern = re.compile(rf"\b(?:{phrase})\b", re.IGNORECASE)
    allowed = {path for path, allowed_phrase, _ in ALLOWED if allowed_phrase == phrase}
    return [
        f"{path}:{line}: …{text[max(0, found.start() - 40) : found.end() + 40]}…"
        for path, line, text in prose()
        if path not in allowed
        for found in pattern.finditer(text)
    ]


@pytest.mark.parametrize("phrase", FORBIDDEN)
def test_no_forbidden_phrase_is_used(phrase: str) -> None:
    instead, reason = FORBIDDEN[phrase]
    assert occurrences(phrase) == [], f"write: {instead} ({reason})"


def test_each_exception_is_still_needed_and_has_a_reason() -> None:
    texts = [(path, text) for path, _, text in prose()]
    for path, phrase, reason in ALLOWED:
        assert len(reason.split()) > 2
        assert phrase in FORBIDDEN
        assert any(path == each and re.search(phrase, text, re.IGNORECASE) for each, text in texts), (path, phrase)
