"""The scripts of deploy/ on a real server: secrets made, roles created, the schema migrated, entries stored."""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest
import yaml

from acceptance.conftest import BESIDE_PYTHON
from acceptance.docs.blocks import blocks_of
from examples import SIGNER, body
from trenova.config import SecuritySettings, load
from trenova.dev import binaries
from trenova.dev.postgres import Postgres
from trenova.errors import TrenovaError
from trenova.keys.loading import load_keyring
from trenova.keys.signing import load_signer
from trenova.runtime.installation.logins import OWNER
from trenova.store import Store
from waiting import LIMIT_S

CHECKOUT = Path(__file__).parents[2]
COMPOSE = CHECKOUT / "deploy" / "compose"
LOGIN_FROM_FILE = "postgresql:///?service=trenova"
PROGRAMS = f"{BESIDE_PYTHON}:{binaries.find().folder}:/usr/bin:/bin"
CHECK = CHECKOUT / "tools" / "check_deployment.py"


@pytest.fixture(scope="session")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("deployment") / "secrets"
    make_secrets(folder)
    return folder


def make_secrets(folder: Path) -> None:
    script = [str(COMPOSE / "make-secrets.sh"), str(folder)]
    subprocess.run(script, env={"PATH": PROGRAMS, "TRENOVA": "trenova"}, check=True, timeout=LIMIT_S)


@pytest.fixture(scope="session")
async def empty_server(folder: Path) -> AsyncIterator[Postgres]:
    """A separate, empty server, because roles belong to the whole server."""
    async with Postgres(folder / "deployment").running() as server:
        async with await server.connect("postgres") as connection:
            await connection.execute("DROP DATABASE trenova")
        yield server


@pytest.fixture(scope="session")
async def login_files(empty_server: Postgres, secrets: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the service files of the logins, which lead to a database with the schema."""
    work = tmp_path_factory.mktemp("logins")
    script = (COMPOSE / "initdb" / "10-roles.sh").read_text()
    script = script.replace("/run/secrets", str(secrets)).replace("/etc/trenova", str(CHECKOUT / "deploy" / "postgres"))
    server = {"PGHOST": "127.0.0.1", "PGPORT": str(empty_server.port)}
    owner = {"POSTGRES_USER": OWNER.name, "PGPASSWORD": empty_server.folder.secret("postgres-owner")}
    environ = {"PATH": PROGRAMS} | server | owner
    await asyncio.to_thread(subprocess.run, ["sh", "-c", script], env=environ, check=True, timeout=LIMIT_S)
    for name in (f"{part}.pg_service.conf" for part in ("api", "worker", "operator", "owner")):
        text = (secrets / name).read_text()
        text = text.replace("host=postgres", "host=127.0.0.1").replace("port=5432", f"port={empty_server.port}")
        (work / name).write_text(text)
    assert migrate(work / "owner.pg_service.conf").returncode == 0
    return work


def migrate(service_file: Path) -> subprocess.CompletedProcess[str]:
    login = {"PGSERVICEFILE": str(service_file), "TRENOVA_DATABASE__OWNER_URL": LOGIN_FROM_FILE}
    command = [sys.executable, "-m", "trenova", "migrate"]
    return subprocess.run(command, env=login, capture_output=True, text=True, check=False, timeout=LIMIT_S)


async def test_each_login_does_its_work_in_the_migrated_database(
    login_files: Path, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def use_login(part: str) -> None:
        monkeypatch.setenv("PGSERVICEFILE", str(login_files / f"{part}.pg_service.conf"))

    use_login("worker")
    async with Store.open(LOGIN_FROM_FILE, signer=SIGNER) as worker:
        await worker.check()
        assert (await worker.entries.append("deployment", [body(tenant)])).stored == 1
    use_login("operator")
    async with Store.open(LOGIN_FROM_FILE) as operator:
        key = await operator.api_keys.create(tenant=tenant, role="admin", name="", by="ada")
    use_login("api")
    async with Store.open(LOGIN_FROM_FILE) as api:
        await api.check()
        found = await api.api_keys.find(key.text)
        assert found is not None
        assert found.tenant == tenant


async def test_the_migrating_login_is_not_a_superuser_and_the_running_logins_own_nothing(
    login_files: Path, empty_server: Postgres
) -> None:
    async with await empty_server.connect("trenova") as connection:
        found = await connection.execute(
            "SELECT rolname, rolsuper, (SELECT count(*) FROM pg_class WHERE relowner = pg_roles.oid) > 0 FROM pg_roles"
            " WHERE rolname IN ('trenova_migrate', 'trenova_run_api', 'trenova_run_operator', 'trenova_run_worker')"
            " ORDER BY 1"
        )
        assert await found.fetchall() == [
            ("trenova_migrate", False, True),
            ("trenova_run_api", False, False),
            ("trenova_run_operator", False, False),
            ("trenova_run_worker", False, False),
        ]


async def test_the_command_on_the_page_creates_the_four_logins(folder: Path) -> None:
    (block,) = [block for block in blocks_of(CHECKOUT / "docs/deploying.md") if "roles.sql" in block.text]
    (typed,) = [command.text.replace("…", "a-password") for command in block.commands]
    async with Postgres(folder / "roles").running() as server:
        login = {"PGHOST": "127.0.0.1", "PGPORT": str(server.port), "PGUSER": OWNER.name}
        environ = {"PATH": PROGRAMS, "PGPASSWORD": server.folder.secret("postgres-owner")} | login
        async with await server.connect("postgres") as connection:
            await connection.execute("DROP DATABASE trenova")
            await asyncio.to_thread(
                subprocess.run, ["sh", "-c", typed], env=environ, cwd=CHECKOUT, check=True, timeout=LIMIT_S
            )
            found = await connection.execute("SELECT rolname FROM pg_roles WHERE rolname LIKE 'trenova_%' ORDER BY 1")
            made = {name for (name,) in await found.fetchall()}
    assert made >= {"trenova_migrate", "trenova_run_api", "trenova_run_operator", "trenova_run_worker"}


async def test_migrating_again_changes_nothing(login_files: Path) -> None:
    again = migrate(login_files / "owner.pg_service.conf")
    assert again.returncode == 0
    assert "up to date" in again.stdout


@pytest.mark.parametrize("part", ["api", "worker", "operator"])
async def test_a_running_login_cannot_change_the_schema(login_files: Path, empty_server: Postgres, part: str) -> None:
    async with await empty_server.connect("trenova") as connection:
        await connection.execute(f"SET ROLE trenova_run_{part}".encode())
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await connection.execute("CREATE TABLE mine ()")


async def test_a_wrong_password_in_the_file_is_an_error(
    login_files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = tmp_path / "pg_service.conf"
    text = (login_files / "api.pg_service.conf").read_text()
    wrong.write_text(text.replace("password=", "password=x"))
    monkeypatch.setenv("PGSERVICEFILE", str(wrong))
    async with Store.open(LOGIN_FROM_FILE) as store:
        with pytest.raises(TrenovaError):
            await store.check()


def test_the_secrets_are_valid_keys_in_a_folder_that_only_its_owner_may_enter(secrets: Path) -> None:
    environ = {"TRENOVA_LEDGER__SIGNING_KEY_FILE": str(secrets / "signing-key")}
    assert len(load_signer(load(environ, file=COMPOSE / "config.yaml"), environ).secrets) == 1
    security = SecuritySettings(
        enableEncryption=True, encryptionKeyID="production", keyFolder=secrets / "encryption-keys"
    )
    assert load_keyring(security, {}).encrypting_id == "production"
    assert secrets.stat().st_mode & 0o777 == 0o700


def test_every_secret_that_compose_mounts_is_created(secrets: Path) -> None:
    named = yaml.safe_load((COMPOSE / "compose.yaml").read_text())["secrets"].values()
    made = {str(path.relative_to(secrets)) for path in secrets.rglob("*") if path.is_file()}
    assert {each["file"].removeprefix("secrets/") for each in named} == made - {"encryption-keys/production"}


def test_existing_secrets_are_never_replaced(secrets: Path) -> None:
    before = {path: path.read_bytes() for path in secrets.rglob("*") if path.is_file()}
    make_secrets(secrets)
    assert {path: path.read_bytes() for path in secrets.rglob("*") if path.is_file()} == before


FAULTS = {
    "Containerfile": ('ENTRYPOINT ["trenova"]', "ENTRYPOINT trenova", "DL3025"),
    "compose/compose.yaml": ("    read_only: true", "    readonly: true", "readonly"),
    "kubernetes/base/worker.yaml": ("maxSurge: 1", "maxSurges: 1", "maxSurges"),
    "kubernetes/keda/scaled-object.yaml": ("targetQueueSize", "targetQueueLength", "targetQueueLength"),
    "systemd/trenova-api.service": ("NoNewPrivileges=yes", "NoNewPriviliges=yes", "NoNewPriviliges"),
}


def test_the_linter_names_every_mistake_in_these_files(tmp_path: Path) -> None:
    shutil.copytree(CHECKOUT / "deploy", tmp_path / "deploy")
    for name, (right, wrong, _) in FAULTS.items():
        file = tmp_path / "deploy" / name
        assert right in file.read_text(), name
        file.write_text(file.read_text().replace(right, wrong))
    command = [sys.executable, str(CHECK), str(tmp_path / "deploy")]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT_S, env=dict(os.environ))
    assert ended.returncode == 1
    assert [found for _, _, found in FAULTS.values() if found not in ended.stderr] == []


def test_the_linter_finds_nothing_wrong_with_the_files_in_deploy() -> None:
    command = [sys.executable, str(CHECK)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT_S, env=dict(os.environ))
    assert (ended.returncode, ended.stderr) == (0, "")
