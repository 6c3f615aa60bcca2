"""Check that Docker, Kubernetes and systemd can read the files in deploy/. Run by `make lint`.

Nothing is started, and no network is used: compose files and manifests are compared with schemas, overlays are built,
and the container file and the units are checked by the linters of their projects. A missing program is an error.
"""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import kubernetes_validate
import yaml

DEPLOY = Path(__file__).parents[1] / "deploy"
BESIDE_PYTHON = Path(sys.executable).parent

# The oldest and the newest Kubernetes that the manifests are compared with.
KUBERNETES = ("1.32", "1.37")
OVERLAYS = ("base", "migrate", "overlays/production", "overlays/cloud")
# The fields of a `temporal` trigger in the documentation of KEDA 2.17 and newer, without deprecated ones.
KEDA_TRIGGER = {
    *("endpoint", "endpointFromEnv", "namespace", "taskQueue", "queueTypes", "targetQueueSize"),
    *("activationTargetQueueSize", "includeRunningWorkflowCount", "workflowTaskQueueForCount", "apiKeyFromEnv"),
    *("workerDeploymentName", "workerDeploymentBuildId", "minConnectTimeout", "unsafeSsl"),
    *("tlsServerName", "enableTLS"),
}
KEDA_NEEDS = {"endpoint", "namespace", "taskQueue", "targetQueueSize"}
KEDA_SCALED_OBJECT = {
    *("scaleTargetRef", "minReplicaCount", "maxReplicaCount", "pollingInterval", "cooldownPeriod", "fallback"),
    *("advanced", "triggers"),
}
KEDA_AUTHENTICATION = {"apiKey", "ca", "cert", "key", "keyPassword"}
# The exposure that `systemd-analyze security` finds, in tenths: 13 today, 100 at worst.
MOST_EXPOSED = 20


def main(deploy: Path = DEPLOY) -> int:
    problems = [
        *containerfile(deploy / "Containerfile"),
        *compose(deploy / "compose"),
        *kubernetes(deploy / "kubernetes"),
        *systemd(deploy / "systemd"),
    ]
    for problem in problems:
        print(problem, file=sys.stderr)
    if not problems:
        print("deploy/ is in order")
    return 1 if problems else 0


def containerfile(file: Path) -> Iterator[str]:
    yield from complaints([program_beside("hadolint"), str(file)])


def compose(folder: Path) -> Iterator[str]:
    files = [str(folder / name) for name in ("compose.yaml", "opensearch.yaml")]
    yield from complaints([program_beside("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", *files])


def kubernetes(manifests: Path) -> Iterator[str]:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        yield "kubectl is missing: install 1.27 or newer; kustomize is a part of it (kubernetes.io/docs/tasks/tools)"
        return
    for folder in OVERLAYS:
        rendered = run([kubectl, "kustomize", str(manifests / folder)])
        if rendered.returncode != 0:
            yield f"{folder}: {rendered.stderr.strip()}"
            continue
        for manifest in yaml.safe_load_all(rendered.stdout):
            yield from (f"{folder}: {name_of(manifest)}: {wrong}" for wrong in wrong_with(manifest))


def wrong_with(manifest: Any) -> Iterator[str]:
    if manifest["apiVersion"].startswith("keda.sh/"):
        yield from wrong_with_keda(manifest)
        return
    for version in KUBERNETES:
        try:
            kubernetes_validate.validate(manifest, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            yield f"Kubernetes {version}: {error.message}"


def wrong_with_keda(manifest: Any) -> Iterator[str]:
    """KEDA's own schema leaves a trigger's fields open, so it does not find a misspelt one."""
    spec = manifest["spec"]
    if manifest["kind"] == "TriggerAuthentication":
        parameters = {secret["parameter"] for secret in spec["secretTargetRef"]}
        yield from (f"{name} is not a parameter of the scaler" for name in parameters - KEDA_AUTHENTICATION)
        return
    yield from (f"spec.{name} is not documented" for name in spec.keys() - KEDA_SCALED_OBJECT)
    for trigger in spec["triggers"]:
        fields = trigger["metadata"]
        yield from (f"{name} is not documented" for name in fields.keys() - KEDA_TRIGGER)
        yield from (f"{name} is missing" for name in KEDA_NEEDS - fields.keys())
        yield from (f"{name} must be text" for name, value in fields.items() if not isinstance(value, str))


def systemd(units: Path) -> Iterator[str]:
    """Let systemd read the units, in a copy that names programs which exist here."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        yield "systemd-analyze is missing: install systemd (Debian: apt-get install systemd)"
        return
    with tempfile.TemporaryDirectory() as folder:
        for unit in sorted(units.glob("*.service")):
            text = unit.read_text().replace("/opt/trenova/bin/trenova", sys.executable)
            (Path(folder) / unit.name).write_text(text)
        for unit in sorted(Path(folder).iterdir()):
            # For systemd a misspelt directive is only a warning.
            yield from filter(None, [run([analyze, "--man=no", "verify", str(unit)]).stderr.strip()])
            exposure = ["security", "--offline=yes", f"--threshold={MOST_EXPOSED}", "--no-pager", str(unit)]
            yield from complaints([analyze, *exposure])


def name_of(manifest: Any) -> str:
    return f"{manifest['kind']} {manifest['metadata']['name']}"


def program_beside(name: str) -> str:
    return str(BESIDE_PYTHON / name)


def complaints(command: Sequence[str]) -> list[str]:
    """The output of a program that failed; empty if it succeeded."""
    result = run(command)
    return [] if result.returncode == 0 else [(result.stdout + result.stderr).strip()]


def run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
