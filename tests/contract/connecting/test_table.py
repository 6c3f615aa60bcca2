"""Every case against a real server: worker, commands, API and doctor name the same cause and the same next step."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from temporalio.converter import DataConverter

from conftest import GENEROUS_S, serving
from contract.connecting.cases import CASES, Case
from contract.connecting.conftest import Servers
from trenova.config import Settings
from trenova.doctor import checkup
from trenova.doctor import temporal as checks
from trenova.doctor.context import CheckContext, DoctorOptions
from trenova.doctor.finding import State
from trenova.errors import InvalidConfiguration, TrenovaError
from trenova.runtime.connection import connect
from trenova.store import Store

every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def assert_says(case: Case, servers: Servers, cause: str, next_step: str | None) -> None:
    assert servers.fill_in(case, case.cause) in cause
    assert case.reason in cause
    assert case.next_step in (next_step or "")


@every_case
async def test_worker_commands_api_and_doctor_say_the_same(
    case: Case, servers: Servers, settings: Settings, api_store: Store
) -> None:
    case_settings = servers.settings(case, settings)
    # The worker logs this error and retries; every command fails with it.
    with pytest.raises(TrenovaError) as caught:
        await connect(case_settings.temporal, DataConverter.default)
    error = caught.value
    assert type(error) is case.kind
    assert_says(case, servers, error.message, error.hint)
    assert "\n" not in error.message
    doctor = await first_failure(case_settings)
    if isinstance(error, InvalidConfiguration):
        # At start the API and the doctor fail with the same error.
        with pytest.raises(InvalidConfiguration) as caught:
            await connect(case_settings.temporal, DataConverter.default, lazy=True)
        assert (caught.value.message, caught.value.hint) == (error.message, error.hint)
        assert doctor == ("; ".join(error.problems), error.hint)
        return
    assert doctor == (error.message, error.hint)
    status, page = await readiness(case_settings, api_store)
    assert (status, page["temporal"], page["temporal_hint"]) == (503, error.message, error.hint)


async def first_failure(settings: Settings) -> tuple[str, str | None]:
    """Cause and next step of the first line of `trenova doctor` about Temporal that is not ok."""
    options = DoctorOptions(
        settings=settings, data_dir=Path("none"), api_url="http://localhost:1", api_key=None, ui_origins=(), environ={}
    )
    try:
        async with CheckContext.open(options) as context:
            findings = await checkup.run_checks(checks.CHECKS, context)
    except InvalidConfiguration as error:
        findings = checkup.findings_without_settings(checks.CHECKS, error)
    failed = next(each for each in findings if each.state is State.FAILED)
    return failed.cause, failed.next_step


async def readiness(settings: Settings, store: Store) -> tuple[int, dict[str, str]]:
    """Status and body of the API's `/readyz`."""
    client = await connect(settings.temporal, DataConverter.default, lazy=True)
    async with (
        serving(settings, store, client) as url,
        httpx.AsyncClient(base_url=url, timeout=GENEROUS_S, verify=False) as api,
    ):
        answer = await api.get("/readyz")
        return answer.status_code, answer.json()


@pytest.mark.parametrize("at", ["plain", "tls", "mtls", "named", "cloud"])
async def test_each_of_these_servers_is_reachable_with_the_right_settings(at: str, servers: Servers) -> None:
    """So the cases above fail for the reason under test."""
    files = {"caFile": str(servers.folder / "authority.pem")}
    settings_of: dict[str, dict[str, Any]] = {
        "plain": {},
        "tls": {"tls": files},
        "mtls": {"tls": {**files, "certFile": servers.folder / "client.pem", "keyFile": servers.folder / "client.key"}},
        "named": {"tls": {**files, "serverName": "temporal.example"}},
        "cloud": {"apiKey": "sesame", "tls": {"enabled": False}},
    }
    case_settings = Settings.model_validate({"temporal": {"hostPort": servers.addresses[at], **settings_of[at]}})
    client = await connect(case_settings.temporal, DataConverter.default)
    assert client.namespace == case_settings.temporal.namespace
