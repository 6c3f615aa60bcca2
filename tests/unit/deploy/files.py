"""The files in deploy/, read."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

CHECKOUT = Path(__file__).parents[3]
DEPLOY = CHECKOUT / "deploy"
COMPOSE = DEPLOY / "compose" / "compose.yaml"
KUBERNETES = DEPLOY / "kubernetes"
SYSTEMD = DEPLOY / "systemd"
SETTINGS = sorted(DEPLOY.rglob("config.yaml"))


def services() -> dict[str, Any]:
    """The services of the compose file that run our own image, by name."""
    found = yaml.safe_load(COMPOSE.read_text())["services"]
    return {name: service for name, service in found.items() if service["image"].startswith("trenova:")}


def manifests(folder: str) -> list[Any]:
    """The manifests of a Kubernetes folder as they are written, before kustomize."""
    paths = sorted(path for path in (KUBERNETES / folder).glob("*.yaml") if path.name != "config.yaml")
    return [each for path in paths for each in yaml.safe_load_all(path.read_text()) if "metadata" in each]


def pods() -> dict[str, Any]:
    """The pod templates of deployments and jobs, by the name of their container."""
    written = [*manifests("base"), *manifests("migrate")]
    templates = [each["spec"]["template"] for each in written if each["kind"] in {"Deployment", "Job"}]
    return {template["spec"]["containers"][0]["name"]: template for template in templates}


def unit(name: str) -> dict[str, list[str]]:
    """The directives of a systemd unit; one that is written several times has several values."""
    found: dict[str, list[str]] = {}
    for key, value in directives((SYSTEMD / name).read_text()):
        found.setdefault(key, []).append(value)
    return found


def directives(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        if "=" in line and not line.startswith("#"):
            key, value = line.split("=", 1)
            yield key, value
