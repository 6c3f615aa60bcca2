"""Evaluate our alert rules on the metrics pages of running processes, with Prometheus' own promtool."""

import functools
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from prometheus_client.parser import text_string_to_metric_families

from acceptance.conftest import BESIDE_PYTHON
from waiting import LIMIT_S

ALERTS = Path(__file__).parents[2] / "deploy/prometheus/alerts.yaml"
# Longer than any `for` but the spool's and the nightly check's.
LASTS = "15m"
FIRING = 'group by (alertname) (ALERTS{alertstate="firing"})'
# Names in an expression, without the labels in braces and the texts in quotes.
METRIC = re.compile(r"\b(?:trenova|temporal|process)_[a-z0-9_]+")


@functools.cache
def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(ALERTS.read_text())["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def promtool(*words: str) -> subprocess.CompletedProcess[bytes]:
    program = shutil.which("promtool", path=f"{BESIDE_PYTHON}:{os.environ['PATH']}")
    assert program, "promtool is missing: `make promtool` gets it"
    return subprocess.run([program, *words], capture_output=True, timeout=LIMIT_S, check=False)


def objection(pages: Mapping[str, str | None], alerts: set[str], folder: Path) -> str:
    """Why these alerts are not exactly those that fire if the pages stay the same for 15 minutes; empty if they are.

    `pages` has the text of each job's page, or None for a job that does not answer.
    """
    expected = [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in sorted(alerts)]
    test = {
        "interval": "1m",
        "input_series": [series for job, text in pages.items() for series in series_of(job, text)],
        "promql_expr_test": [{"expr": FIRING, "eval_time": LASTS, "exp_samples": expected}],
    }
    file = folder / "pages.test.yaml"
    # JSON is YAML, and much faster to write.
    file.write_text(json.dumps({"rule_files": [str(ALERTS)], "evaluation_interval": "1m", "tests": [test]}))
    ended = promtool("test", "rules", str(file))
    return "" if ended.returncode == 0 else ended.stdout.decode() + ended.stderr.decode()


@functools.cache
def metrics_of_rules() -> set[str]:
    return {name for rule in rules() for name in METRIC.findall(rule["expr"])}


def series_of(job: str, text: str | None) -> Iterator[dict[str, str]]:
    """The series of a page that the rules use, each constant at its present value; ages grow."""
    yield {"series": f'up{{job="{job}"}}', "values": f"{int(text is not None)}x20"}
    wanted = metrics_of_rules()
    for family in text_string_to_metric_families(text or ""):
        for sample in family.samples:
            if sample.name in wanted:
                labels = ",".join(
                    f"{name}={json.dumps(value)}" for name, value in {**sample.labels, "job": job}.items()
                )
                grows = 60 if sample.name.endswith("_age_seconds") and sample.value else 0
                yield {"series": f"{sample.name}{{{labels}}}", "values": f"{sample.value}+{grows}x20"}
