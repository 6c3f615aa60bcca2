"""What is in deploy/ is what this program takes: its settings, variables, commands, ports and times to drain."""

import re
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from trenova.cli.main import app
from trenova.config import TASK_QUEUE, ApiSettings, Settings, WorkerSettings, load
from unit.deploy.files import CHECKOUT, COMPOSE, DEPLOY, KUBERNETES, SETTINGS, manifests, pods, services, unit

# Where a variable may be that neither we nor Temporal read: libpq takes the login from it.
LIBPQ = {"PGSERVICEFILE"}
# Time to end after the drain, in seconds.
MARGIN_S = 10
UNITS = {
    "api": "trenova-api.service",
    "worker": "trenova-worker@.service",
    "migrate": "trenova-migrate.service",
}


@pytest.mark.parametrize("file", SETTINGS, ids=[str(file.relative_to(DEPLOY)) for file in SETTINGS])
def test_every_settings_file_is_one_that_the_program_starts_with(file: Path) -> None:
    settings = load({}, file=file)
    assert settings.temporal.security.enable_encryption
    assert settings.temporal.security.require_encryption
    assert settings.api.host == "0.0.0.0"
    assert settings.database.url is not None
    assert settings.database.url.get_secret_value() == "postgresql:///?service=trenova"


def test_there_are_settings_for_compose_for_the_base_and_for_each_overlay() -> None:
    folders = [str(file.parent.relative_to(DEPLOY)) for file in SETTINGS]
    assert folders == ["compose", "kubernetes/base", "kubernetes/overlays/cloud", "kubernetes/overlays/production"]


def kubernetes_variables() -> dict[str, str]:
    found = [pod["spec"]["containers"][0]["env"] for pod in pods().values()]
    return {each["name"]: each["value"] for each in chain.from_iterable(found)}


def variables() -> dict[str, str]:
    """Every variable that deploy/ gives to this program, with one of its values."""
    found: dict[str, str] = {}
    for service in services().values():
        found |= service.get("environment", {})
    for name in UNITS.values():
        found |= dict(each.split("=", 1) for each in unit(name)["Environment"])
    found |= dict(re.findall(r"^\s+(TRENOVA_\w+)=(\S+)", (DEPLOY / "Containerfile").read_text(), re.MULTILINE))
    return found | kubernetes_variables()


def test_every_variable_is_read_by_this_program_or_by_libpq(tmp_path: Path) -> None:
    given = variables()
    assert given.keys() >= {"TRENOVA_CONFIG", "TRENOVA_LEDGER__SIGNING_KEY_FILE", "TRENOVA_DATABASE__OWNER_URL"}
    file = tmp_path / "config.yaml"
    file.touch()
    ours = {name: value for name, value in given.items() if name not in LIBPQ}
    assert not [name for name in ours if not name.startswith("TRENOVA_")]
    assert isinstance(load(ours | {"TRENOVA_CONFIG": str(file)}), Settings)


def commands() -> dict[str, str]:
    """What is run, by where it is written."""
    found = {f"compose {name}": service["command"][0] for name, service in services().items()}
    found |= {f"pod {name}": pod["spec"]["containers"][0]["args"][0] for name, pod in pods().items()}
    return found | {file: unit(file)["ExecStart"][0].split()[1] for file in UNITS.values()}


def test_every_command_is_one_of_this_program() -> None:
    known = get_command(app).list_commands(None)  # type: ignore[attr-defined]
    assert sorted(set(commands().values())) == ["api", "doctor", "migrate", "worker"]
    assert {where: command for where, command in commands().items() if command not in known} == {}


def seconds(text: str) -> int:
    assert text.endswith("s")
    return int(text.removesuffix("s"))


@pytest.mark.parametrize(
    ("part", "drain"), [("api", ApiSettings().drain_seconds), ("worker", WorkerSettings().drain_seconds)]
)
def test_nothing_is_killed_while_it_drains(part: str, drain: float) -> None:
    pod: Any = pods()[part]["spec"]
    before = pod["containers"][0].get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
    assert pod["terminationGracePeriodSeconds"] >= before + drain + MARGIN_S
    assert seconds(services()[part]["stop_grace_period"]) >= drain + MARGIN_S
    assert seconds(unit(UNITS[part])["TimeoutStopSec"][0]) >= drain + MARGIN_S


def test_no_settings_file_changes_how_long_draining_takes() -> None:
    for file in SETTINGS:
        settings = load({}, file=file)
        assert (settings.api.drain_seconds, settings.worker.drain_seconds) == (30, 30)


def test_ports_and_probes_are_where_the_program_listens() -> None:
    for file in SETTINGS:
        assert load({}, file=file).api.port == ApiSettings().port
    container = pods()["api"]["spec"]["containers"][0]
    assert container["ports"] == [{"name": "http", "containerPort": ApiSettings().port}]
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "http"}
    assert container["livenessProbe"]["httpGet"] == {"path": "/livez", "port": "http"}
    assert services()["api"]["ports"] == [f"127.0.0.1:{ApiSettings().port}:{ApiSettings().port}"]
    assert f"127.0.0.1:{ApiSettings().port}/readyz" in services()["api"]["healthcheck"]["test"][-1]
    assert f"EXPOSE {ApiSettings().port}" in (DEPLOY / "Containerfile").read_text()


def test_the_workers_probes_are_where_its_health_page_is() -> None:
    (port,) = {load({}, file=file).worker.health.port for file in SETTINGS}
    container = pods()["worker"]["spec"]["containers"][0]
    assert container["ports"] == [{"name": "health", "containerPort": port}]
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "health"}
    assert container["livenessProbe"]["httpGet"] == {"path": "/livez", "port": "health"}
    assert f"127.0.0.1:{port}/readyz" in services()["worker"]["healthcheck"]["test"][-1]


@pytest.mark.parametrize("overlay", ["production", "cloud"])
def test_the_autoscaler_asks_where_the_workers_work(overlay: str) -> None:
    temporal = load({}, file=KUBERNETES / "overlays" / overlay / "config.yaml").temporal
    (scaled,) = manifests("keda")
    asked = scaled["spec"]["triggers"][0]["metadata"] | replacements_of(overlay)
    assert (asked["endpoint"], asked["namespace"]) == (temporal.host_port, temporal.namespace)
    assert asked["taskQueue"] == TASK_QUEUE


def replacements_of(overlay: str) -> dict[str, str]:
    text = (KUBERNETES / "overlays" / overlay / "kustomization.yaml").read_text()
    return dict(re.findall(r'path: /spec/triggers/0/metadata/(\w+), value: "?([^"}]+)"?\}', text))


def test_an_api_key_for_temporal_cloud_may_come_from_a_file(tmp_path: Path) -> None:
    profile = tmp_path / "temporal.toml"
    profile.write_text('[profile.default]\napi_key = "a-key"\n')
    file = KUBERNETES / "overlays" / "cloud" / "config.yaml"
    temporal = load({"TEMPORAL_CONFIG_FILE": str(profile)}, file=file).temporal
    assert temporal.api_key is not None
    assert temporal.api_key.get_secret_value() == "a-key"
    assert temporal.host_port == load({}, file=file).temporal.host_port
    assert temporal.namespace == load({}, file=file).temporal.namespace


def test_the_image_has_the_version_of_the_program() -> None:
    version = re.search(r'^version = "(.*)"$', (CHECKOUT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version is not None
    assert f'image.version="{version[1]}"' in (DEPLOY / "Containerfile").read_text()
    assert f"image: trenova:{version[1]}\n" in COMPOSE.read_text()
    for file in KUBERNETES.rglob("kustomization.yaml"):
        assert set(re.findall(r"newTag: (.*)\}", file.read_text())) <= {version[1]}
