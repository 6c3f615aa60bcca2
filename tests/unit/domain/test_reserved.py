"""Names that are reserved for the system."""

import json
from typing import Any

import pytest

from examples import RECEIVED_AT, entry, seal
from trenova.config import TASK_QUEUE, LimitSettings
from trenova.doctor.encryption_check import sample_batch
from trenova.domain import intake, seal_check

ANY_TENANT = intake.RequestContext(received_at=RECEIVED_AT, tenant=None)
RULES = seal_check.Rules(limits=LimitSettings(), now=RECEIVED_AT)

RESERVED: dict[str, tuple[dict[str, Any], str]] = {
    "a tenant of the system": ({"tenant": "_trenova"}, "/tenant"),
    "another tenant of the system": ({"tenant": "_"}, "/tenant"),
    "a policy": ({"action": "retention.set"}, "/action"),
    "a removal": ({"action": "retention.remove", "metadata": {"indexes": [[0, 9]]}}, "/action"),
    "a hold": ({"action": "hold.release"}, "/action"),
    "an edit": ({"action": "dead_letter.edit"}, "/action"),
    "an API key": ({"action": "api_key.create"}, "/action"),
    "something of the program": ({"action": "trenova.upgrade.begin"}, "/action"),
    "an actor of the program": ({"actor": {"type": "system", "id": "trenova-retention"}}, "/actor/id"),
    "an actor of the program as a user": ({"actor": {"type": "user", "id": "trenova-x"}}, "/actor/id"),
}
FREE: list[dict[str, Any]] = [
    {"tenant": "a_trenova"},
    {"action": "retention"},
    {"action": "holder.set"},
    {"action": "document.retention.set"},
    {"action": "api_keys.create"},
    {"actor": {"type": "user", "id": "trenova"}},
    {"target": {"type": "system", "id": "trenova-retention"}},
]


def seal_fields(fields: dict[str, Any]) -> bytes:
    return json.dumps(entry(**{"tenant": "acme", **fields})).encode()


@pytest.mark.parametrize("case", RESERVED)
def test_intake_names_the_field_with_a_reserved_name(case: str) -> None:
    fields, field = RESERVED[case]
    (problem,) = intake.check([seal_fields(fields)], ANY_TENANT, LimitSettings()).problems
    assert (problem.field, "reserved for the system" in problem.message) == (field, True)


@pytest.mark.parametrize("case", RESERVED)
def test_the_seal_check_gives_the_code_reserved(case: str) -> None:
    fields = {**RESERVED[case][0]}
    body = seal(fields.pop("tenant", "acme"), **fields).body
    with pytest.raises(seal_check.UnsealedBody, match="reserved"):
        seal_check.read_sealed(body, RULES)


@pytest.mark.parametrize("fields", FREE, ids=str)
def test_similar_names_are_not_reserved(fields: dict[str, Any]) -> None:
    assert intake.check([seal_fields(fields)], ANY_TENANT, LimitSettings()).problems == []


PROBE = {
    "tenant": "_trenova",
    "actor": {"type": "system", "id": "trenova-dev"},
    "action": "trenova.probe",
    "target": {"type": "system", "id": TASK_QUEUE},
}


def test_the_self_tests_of_trenova_are_accepted() -> None:
    ((_, probe),) = intake.check([json.dumps(PROBE).encode()], ANY_TENANT, LimitSettings()).sealed
    seal_check.read_sealed(probe.body, RULES)
    assert len([seal_check.read_sealed(bytes(each), RULES) for each in sample_batch("0" * 32, RECEIVED_AT).entries]) > 1


@pytest.mark.parametrize(
    "more",
    [
        {"comment": "retention was set to 1 day"},
        {"before": {}},
        {"changes": []},
        {"context": {}},
        {"critical": True},
        {"outcome": "failure"},
        {"actor": {"type": "system", "id": "trenova-dev", "name": "x"}},
        {"actor": {"type": "system", "id": "trenova-retention"}},
        {"target": {"type": "log", "id": "acme"}},
        {"tenant": "_other"},
        {"tenant": "acme"},
        {"action": "trenova.other"},
        {"metadata": {}},
        {"metadata": {"marker": "a word"}},
        {"metadata": {"marker": 1}},
        {"metadata": {"marker": "0", "more": 1}},
    ],
    ids=str,
)
def test_a_self_test_with_any_other_content_is_invalid(more: dict[str, Any]) -> None:
    assert len(intake.check([json.dumps({**PROBE, **more}).encode()], ANY_TENANT, LimitSettings()).problems) == 1
