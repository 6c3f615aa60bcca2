"""A command with the wrong database login says which one it has, which one it needs, and where to set it."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from acceptance.conftest import User
from databases import urls_of
from examples import SIGNER
from trenova.dev.postgres import Postgres

SIGNS = SIGNER.secrets[0].secret_text
NOWHERE = "postgresql://nobody:hunter2@127.0.0.1:1/none"


@pytest.fixture
def urls(postgres: Postgres) -> Mapping[str, str]:
    return urls_of(postgres)


@pytest.mark.parametrize(
    "words",
    [
        ("retention", "set", "--default", "--days", "30000"),
        ("hold", "place", "--all-tenants", "--name", "n", "--reason", "r"),
    ],
    ids=" ".join,
)
def test_a_change_of_retention_needs_the_owner(newcomer: User, urls: Mapping[str, str], words: tuple[str, ...]) -> None:
    error, hint = newcomer(*words, TRENOVA_DATABASE__URL=urls["worker"], TRENOVA_SIGNING_KEY=SIGNS).error_and_hint()
    assert "the login here is trenova_dev_worker (trenova_worker)" in error
    assert error.endswith("this command needs the login trenova_owner, which owns the tables")
    assert hint.startswith("set database.ownerUrl (TRENOVA_DATABASE__OWNER_URL) to the address with that login")


def test_migrate_with_the_wrong_login_does_not_send_you_to_migrate(newcomer: User, postgres: Postgres) -> None:
    empty = urls_of(postgres)["worker"].rpartition("/")[0] + "/postgres"
    error, hint = newcomer("migrate", TRENOVA_DATABASE__URL=empty).error_and_hint()
    assert "the login here is trenova_dev_worker (trenova_worker)" in error
    assert "which owns the tables" in error
    assert "database.ownerUrl" in hint
    assert "trenova migrate" not in hint


def test_api_keys_need_the_operator(newcomer: User, urls: Mapping[str, str]) -> None:
    words = ("api-key", "create", "--role", "reader", "--any-tenant")
    error, hint = newcomer(*words, TRENOVA_DATABASE__URL=urls["api"]).error_and_hint()
    assert "the login here is trenova_dev_api (trenova_api)" in error
    assert error.endswith("this command needs a login with the role trenova_operator")
    assert "CREATE ROLE … LOGIN PASSWORD '…' IN ROLE trenova_operator" in hint
    assert "database.operatorUrl (TRENOVA_DATABASE__OPERATOR_URL)" in hint


@pytest.mark.parametrize(
    ("words", "variable"),
    [
        ("migrate", "TRENOVA_DATABASE__OWNER_URL"),
        ("hold list", "TRENOVA_DATABASE__OPERATOR_URL"),
        ("api-key list", "TRENOVA_DATABASE__OPERATOR_URL"),
    ],
)
def test_the_setting_for_a_role_takes_precedence_over_the_servers_address(
    newcomer: User, postgres: Postgres, words: str, variable: str
) -> None:
    url = postgres.owner_url if words == "migrate" else postgres.operator_url
    ended = newcomer(
        *words.split(), stdin=b"", **{"TRENOVA_DATABASE__URL": NOWHERE, "TRENOVA_SIGNING_KEY": SIGNS, variable: url}
    )
    assert ended.exit_code == 0, ended


OWNER, OPERATOR = (
    "database.ownerUrl (TRENOVA_DATABASE__OWNER_URL)",
    "database.operatorUrl (TRENOVA_DATABASE__OPERATOR_URL)",
)
OF_COMMANDS = {
    "migrate": OWNER,
    "retention set --default --days 7": OWNER,
    "hold list": OPERATOR,
    "api-key list": OPERATOR,
    "verify --live": OPERATOR,
    "evidence --tenant acme -o x": OPERATOR,
}


@pytest.mark.parametrize("words", OF_COMMANDS)
def test_a_wrong_address_is_reported_with_the_setting_it_came_from(newcomer: User, words: str) -> None:
    setting = OF_COMMANDS[words]
    variable = setting.rpartition("(")[2].rstrip(")")
    ended = newcomer(*words.split(), stdin=b"", **{"TRENOVA_SIGNING_KEY": SIGNS, variable: NOWHERE})
    _, hint = ended.error_and_hint(exit_code=ended.exit_code)
    assert hint == f"start PostgreSQL, or correct {setting}"
    no_port = NOWHERE.replace(":1/", ":x/")
    ended = newcomer(*words.split(), "--json", stdin=b"", **{"TRENOVA_SIGNING_KEY": SIGNS, variable: no_port})
    error = json.loads(ended.err)
    assert error["problems"] == [f"{setting}: (hidden) given, expected postgresql://user:password@host:port/database"]
    assert error["error"].endswith(error["problems"][0])
    # The address of the servers, if there is no other.
    ended = newcomer(*words.split(), TRENOVA_SIGNING_KEY=SIGNS, TRENOVA_DATABASE__URL=NOWHERE)
    _, hint = ended.error_and_hint(exit_code=ended.exit_code)
    assert hint == "start PostgreSQL, or correct database.url"


def test_the_doctor_names_the_setting_too(newcomer: User) -> None:
    for url, text in ((NOWHERE, f"correct {OPERATOR}"), (NOWHERE.replace(":1/", ":x/"), f"{OPERATOR}: (hidden) given")):
        ended = newcomer("doctor", "--json", TRENOVA_DATABASE__OPERATOR_URL=url)
        (found,) = [one for one in ended.json["findings"] if text in f"{one['cause']} {one['next_step']}"]
        assert found["state"] == "failed"
        assert "database.url" not in ended.out.replace("the API's database.url", "")


async def test_evidence_names_the_login_that_it_needs(
    newcomer: User, urls: Mapping[str, str], postgres: Postgres, owner: psycopg.AsyncConnection[tuple[Any, ...]]
) -> None:
    await owner.execute("CREATE ROLE nothing LOGIN PASSWORD 'secret'")
    try:
        where = urlsplit(urls["trenova"])
        url = where._replace(netloc=f"nothing:secret@{where.hostname}:{where.port}").geturl()
        ended = newcomer(
            "evidence", "--tenant", "acme", "-o", "x", TRENOVA_DATABASE__OPERATOR_URL=url, TRENOVA_SIGNING_KEY=SIGNS
        )
    finally:
        await owner.execute("DROP ROLE nothing")
    error, hint = ended.error_and_hint()
    assert "the login here is nothing (none of Trenova's roles)" in error
    assert error.endswith("this command needs a login with the role trenova_operator")
    assert hint.startswith(f"set {OPERATOR} to a login that has it")


def test_an_invalid_address_is_not_shown(newcomer: User) -> None:
    ended = newcomer("migrate", TRENOVA_DATABASE__OWNER_URL="mysql://root:hunter2@db/x")
    assert "database.ownerUrl (TRENOVA_DATABASE__OWNER_URL): (hidden) given" in ended.err
    assert "hunter2" not in ended.err
