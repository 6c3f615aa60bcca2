"""Everything in deploy/ runs with as few rights as it can: no root, nothing to write to, no secret but its own."""

import re
from typing import Any

import yaml

from unit.deploy.files import COMPOSE, DEPLOY, manifests, pods, services, unit

SIGNING, OWNER = "signing-key", "owner"
NOT_ROOT = 10001


def every_service() -> dict[str, Any]:
    files = (COMPOSE, COMPOSE.with_name("opensearch.yaml"))
    found = [yaml.safe_load(file.read_text())["services"].items() for file in files]
    return {name: service for items in found for name, service in items if "image" in service}


def test_every_container_of_compose_gives_up_what_it_need_not_have() -> None:
    for name, service in every_service().items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "limits" in service["deploy"]["resources"], name
    for name, service in services().items():
        assert (service["user"], service["read_only"]) == (f"{NOT_ROOT}:{NOT_ROOT}", True), name


def test_every_image_of_compose_is_pinned() -> None:
    for service in every_service().values():
        assert re.search(r":\d+\.\d+", service["image"])


def test_whatever_a_service_of_compose_names_is_there() -> None:
    compose = yaml.safe_load(COMPOSE.read_text())
    for name, service in compose["services"].items():
        assert set(service.get("secrets", [])) <= compose["secrets"].keys(), name
        assert {each["source"] for each in service.get("configs", [])} <= compose["configs"].keys(), name
        assert set(service["networks"]) <= compose["networks"].keys(), name
        assert service.get("depends_on", {}).keys() <= compose["services"].keys(), name
    for config in compose["configs"].values():
        assert (COMPOSE.parent / config["file"]).is_file()
    for volume in "\n".join(each for service in services().values() for each in service["volumes"]).splitlines():
        assert volume.startswith("./secrets/")


def test_nothing_is_reached_from_outside_but_the_api_and_the_web_ui_of_this_machine() -> None:
    compose = yaml.safe_load(COMPOSE.read_text())
    ports = {name: service["ports"] for name, service in compose["services"].items() if "ports" in service}
    assert ports == {"api": ["127.0.0.1:8080:8080"], "temporal-ui": ["127.0.0.1:8233:8080"]}
    assert [name for name, network in compose["networks"].items() if not network.get("internal")] == ["door"]


def test_every_pod_is_restricted() -> None:
    for name, template in pods().items():
        spec = template["spec"]
        assert spec["automountServiceAccountToken"] is False, name
        assert spec["securityContext"]["runAsNonRoot"], name
        assert spec["securityContext"]["runAsUser"] == NOT_ROOT, name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert spec["containers"][0]["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }, name
        assert {"requests", "limits"} == spec["containers"][0]["resources"].keys(), name
    assert f"USER {NOT_ROOT}:{NOT_ROOT}\n" in (DEPLOY / "Containerfile").read_text()


def secrets_of(template: Any) -> set[str]:
    return {volume["secret"]["secretName"] for volume in template["spec"]["volumes"] if "secret" in volume}


def test_workers_alone_are_given_the_signing_key() -> None:
    assert {name for name, service in services().items() if SIGNING in service["secrets"]} == {"worker"}
    assert {name for name, pod in pods().items() if f"trenova-{SIGNING}" in secrets_of(pod)} == {"worker"}
    assert f"{SIGNING}:" not in "".join(unit("trenova-api.service")["LoadCredential"])


def test_the_migration_alone_is_given_the_owners_login() -> None:
    assert {name for name, each in services().items() if f"{OWNER}.pg_service.conf" in each["secrets"]} == {"migrate"}
    assert {name for name, pod in pods().items() if f"trenova-database-{OWNER}" in secrets_of(pod)} == {"migrate"}
    for name in ("trenova-api.service", "trenova-worker@.service"):
        assert not [each for each in unit(name)["LoadCredential"] if OWNER in each]


def test_each_part_is_given_its_own_login_and_no_other() -> None:
    logins = {
        name: [each for each in service["secrets"] if each.endswith("pg_service.conf")]
        for name, service in services().items()
    }
    own = {name: [f"{name}.pg_service.conf"] for name in ("api", "worker", "operator")}
    assert logins == own | {"migrate": [f"{OWNER}.pg_service.conf"]}
    for name, service in services().items():
        assert service["environment"]["PGSERVICEFILE"] == f"/run/secrets/{logins[name][0]}"
    assert {name: databases(pod) for name, pod in pods().items()} == {
        "api": {"trenova-database-api"},
        "worker": {"trenova-database-worker"},
        "migrate": {f"trenova-database-{OWNER}"},
    }
    for name, part in {"api": "api", "worker@": "worker", "migrate": OWNER}.items():
        (given,) = [one for one in unit(f"trenova-{name}.service")["LoadCredential"] if "pg_service" in one]
        assert given == f"pg_service.conf:/etc/trenova/secrets/{part}.pg_service.conf"


def databases(pod: Any) -> set[str]:
    return {name for name in secrets_of(pod) if "database" in name}


def test_whatever_selects_pods_selects_some_of_ours() -> None:
    labels = [template["metadata"]["labels"] for name, template in pods().items() if name != "migrate"]
    for each in manifests("base"):
        for selector in selectors(each):
            assert any(selector.items() <= found.items() for found in labels), each["metadata"]["name"]


def selectors(manifest: Any) -> list[dict[str, str]]:
    spec = manifest.get("spec", {})
    found = [spec.get("selector"), spec.get("podSelector")]
    return [each.get("matchLabels", each) for each in found if each is not None]


def test_disruptions_and_updates_leave_a_pod_that_works() -> None:
    found = manifests("base")
    for each in [one for one in found if one["kind"] == "Deployment"]:
        assert each["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    assert {one["metadata"]["name"] for one in found if one["kind"] == "PodDisruptionBudget"} == {
        "trenova-api",
        "trenova-worker",
    }
