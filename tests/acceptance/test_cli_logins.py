"""A command with the wrong login of the database says which it has, which it needs, and where that goes."""

from collections.abc import Mapping

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
def test_a_change_of_retention_needs_the_owner(stranger: User, urls: Mapping[str, str], words: tuple[str, ...]) -> None:
    error, hint = stranger(*words, TRENOVA_DATABASE__URL=urls["worker"], TRENOVA_SIGNING_KEY=SIGNS).complaint()
    assert "the login here is trenova_dev_worker (trenova_worker)" in error
    assert error.endswith("this command needs the login trenova_owner, which owns the tables")
    assert hint.startswith("set database.ownerUrl (TRENOVA_DATABASE__OWNER_URL) to the address with that login")


def test_migrate_with_the_wrong_login_does_not_send_you_to_migrate(stranger: User, postgres: Postgres) -> None:
    empty = urls_of(postgres)["worker"].rpartition("/")[0] + "/postgres"
    error, hint = stranger("migrate", TRENOVA_DATABASE__URL=empty).complaint()
    assert "the login here is trenova_dev_worker (trenova_worker)" in error
    assert "which owns the tables" in error
    assert "database.ownerUrl" in hint
    assert "trenova migrate" not in hint


def test_api_keys_need_the_operator(stranger: User, urls: Mapping[str, str]) -> None:
    words = ("api-key", "create", "--role", "reader", "--any-tenant")
    error, hint = stranger(*words, TRENOVA_DATABASE__URL=urls["api"]).complaint()
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
def test_a_setting_of_its_own_goes_before_the_address_of_the_servers(
    stranger: User, postgres: Postgres, words: str, variable: str
) -> None:
    url = postgres.owner_url if words == "migrate" else postgres.operator_url
    ended = stranger(
        *words.split(), stdin=b"", **{"TRENOVA_DATABASE__URL": NOWHERE, "TRENOVA_SIGNING_KEY": SIGNS, variable: url}
    )
    assert ended.exit_code == 0, ended


def test_an_address_that_is_none_is_not_shown(stranger: User) -> None:
    ended = stranger("migrate", TRENOVA_DATABASE__OWNER_URL="mysql://root:hunter2@db/x")
    assert "database.ownerUrl (TRENOVA_DATABASE__OWNER_URL): (hidden) given" in ended.err
    assert "hunter2" not in ended.err
