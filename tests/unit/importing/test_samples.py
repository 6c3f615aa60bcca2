"""Recorded events through their maps: how many become entries, and why the others do not."""

from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

from trenova.domain.entry import Draft
from trenova.importing.maps import MapError, mapper
from trenova.importing.read import open_source
from trenova.importing.record import UnreadableRecord

CHECKOUT = Path(__file__).parents[3]
SAMPLES = CHECKOUT / "tests" / "data" / "importing"
COLLECTIONS = CHECKOUT / "tests" / "data" / "collections"

NO_PUBLISHED = "published: expected a time such as 2026-01-31T09:30:00Z, found nothing"
REDACTED = "published: expected a time such as 2026-01-31T09:30:00Z, found 'redacted'"
NO_TIMESTAMP = "timestamp: expected a time such as 2026-01-31T09:30:00Z, found nothing"
NO_METHOD = "methodName: expected text, found nothing"
NO_GITHUB_TIME = "@timestamp: expected milliseconds since 1970, found nothing, and no created_at either"
ODD_GITHUB_TIME = "created_at: expected a time such as 2026-01-31T09:30:00Z, found '2024-12-17 00:00:00000000'"
NO_ACTION = "action: expected text, found nothing"
NO_ACTOR = "actor: expected a login, found nothing, and no actor_id either"
NO_KUBERNETES_TIME = "requestReceivedTimestamp: expected a time, found nothing, and no timestamp either"
NOT_KUBERNETES = "expected a Kubernetes audit event, found a Google Cloud one (protoPayload); use --map gcp"

SAMPLED: list[tuple[str, str, int, dict[str, int]]] = [
    ("cloudtrail.ndjson", "cloudtrail", 12, {}),
    ("cloudtrail-logstash.ndjson", "cloudtrail", 6, {}),
    ("kubernetes.ndjson", "kubernetes", 10, {NO_KUBERNETES_TIME: 3, NOT_KUBERNETES: 1}),
    ("okta.ndjson", "okta", 9, {}),
    ("gcp.ndjson", "gcp", 10, {NO_TIMESTAMP: 3, NO_METHOD: 1}),
    ("github.ndjson", "github", 13, {NO_GITHUB_TIME: 8, NO_ACTION: 1, NO_ACTOR: 1, ODD_GITHUB_TIME: 1}),
]
COLLECTED: list[tuple[str, str, int, dict[str, int]]] = [
    ("cloudtrail-invictus-stratus-attack.ndjson.gz", "cloudtrail", 2900, {}),
    ("cloudtrail-otrf-ec2-proxy-s3-logstash.ndjson.gz", "cloudtrail", 103, {}),
    ("cloudtrail-falco-bigevent.ndjson.gz", "cloudtrail", 1, {}),
    ("k8s-audit-audit2rbac-demo.ndjson.gz", "kubernetes", 37, {}),
    ("k8s-audit-falco-psp-pods.ndjson.gz", "kubernetes", 32, {}),
    ("k8s-audit-panther.ndjson.gz", "kubernetes", 0, {NO_KUBERNETES_TIME: 87, NOT_KUBERNETES: 14}),
    ("okta-systemlog-panther.ndjson.gz", "okta", 31, {NO_PUBLISHED: 18, REDACTED: 4}),
    ("gcp-audit-panther.ndjson.gz", "gcp", 70, {NO_TIMESTAMP: 8, NO_METHOD: 2}),
    (
        "github-audit-panther.ndjson.gz",
        "github",
        22,
        {NO_GITHUB_TIME: 30, NO_ACTION: 6, NO_ACTOR: 1, ODD_GITHUB_TIME: 4},
    ),
]


def import_file(path: Path, map_name: str, tenant: str | None = None) -> tuple[list[dict[str, Any]], dict[str, int]]:
    entries, refused = [], Counter[str]()
    to_entry = mapper(map_name, tenant=tenant)
    with open_source(str(path)) as source:
        for record in source:
            if isinstance(record, UnreadableRecord):
                refused[record.reason] += 1
                continue
            try:
                entries.append(to_entry(record.event))
            except MapError as error:
                refused[error.reason] += 1
    return entries, dict(refused)


@pytest.mark.parametrize(("file", "map_name", "mapped", "refused"), SAMPLED)
def test_every_sample_becomes_an_entry_or_is_refused_with_a_reason(
    file: str, map_name: str, mapped: int, refused: dict[str, int]
) -> None:
    entries, reasons = import_file(SAMPLES / file, map_name)
    assert len(entries) == mapped
    assert reasons == refused


@pytest.mark.parametrize(("file", "map_name", "mapped", "refused"), COLLECTED)
def test_every_collected_event_becomes_an_entry_or_is_refused_with_a_reason(
    file: str, map_name: str, mapped: int, refused: dict[str, int]
) -> None:
    entries, reasons = import_file(COLLECTIONS / file, map_name)
    assert len(entries) == mapped
    assert reasons == refused
    for entry in entries:
        msgspec.json.decode(msgspec.json.encode(entry), type=Draft)
    if map_name in {"cloudtrail", "kubernetes"}:
        assert len({entry["id"] for entry in entries}) == mapped


@pytest.mark.parametrize(("file", "map_name"), [(file, map_name) for file, map_name, _, _ in SAMPLED])
def test_the_server_reads_every_mapped_sample(file: str, map_name: str) -> None:
    entries, _ = import_file(SAMPLES / file, map_name, tenant="acme")
    for entry in entries:
        draft = msgspec.json.decode(msgspec.json.encode(entry), type=Draft)
        assert draft.tenant == "acme"
        assert draft.id is not None
        assert draft.occurred_at is not None


@pytest.mark.parametrize(("file", "map_name"), [(file, map_name) for file, map_name, _, _ in SAMPLED])
def test_a_second_import_gives_the_same_bytes(file: str, map_name: str) -> None:
    first, _ = import_file(SAMPLES / file, map_name)
    second, _ = import_file(SAMPLES / file, map_name)
    assert msgspec.json.encode(first) == msgspec.json.encode(second)


@pytest.mark.parametrize(("file", "map_name"), [(file, map_name) for file, map_name, _, _ in SAMPLED])
def test_the_whole_event_is_in_the_metadata(file: str, map_name: str) -> None:
    events = [msgspec.json.decode(line) for line in (SAMPLES / file).read_bytes().splitlines()]
    entries, _ = import_file(SAMPLES / file, map_name)
    assert all(entry["metadata"][map_name] in events for entry in entries)
    assert all(list(entry["metadata"]) == [map_name] for entry in entries)


def test_a_file_of_another_product_is_refused_line_by_line() -> None:
    entries, reasons = import_file(SAMPLES / "okta.ndjson", "cloudtrail")
    assert entries == []
    assert sum(reasons.values()) == 9
