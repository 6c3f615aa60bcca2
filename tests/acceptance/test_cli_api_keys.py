"""`trenova api-key`: a key is shown once, listed without its secret, and denied with the next request once revoked."""

import pytest

from acceptance.conftest import Dev, User, ndjson
from conftest import new_tenant


def list_keys(trenova: User) -> dict[str, dict[str, str | None]]:
    return {key["id"]: key for key in trenova("api-key", "list", "--json").objects}


def test_a_new_key_is_printed_once_and_standard_error_says_how_to_revoke_it(trenova: User) -> None:
    ended = trenova("api-key", "create", "--role", "writer", "--tenant", trenova.tenant, "--name", "billing")
    assert ended.exit_code == 0
    (key,) = ended.lines
    prefix, key_id, secret = key.split("_", 2)
    assert prefix == "trn"
    assert ended.err == f"Save it: it is not shown again. To revoke it: trenova api-key revoke {key_id}\n"
    table, as_json = trenova("api-key", "list"), trenova("api-key", "list", "--json")
    assert key_id in table.out
    assert "billing" in table.out
    assert secret not in table.out + as_json.out
    kept = list_keys(trenova)[key_id]
    assert (kept["tenant"], kept["role"], kept["name"]) == (trenova.tenant, "writer", "billing")
    assert kept["revoked_at"] is None


def test_a_key_works_until_it_is_revoked(trenova: User, dev: Dev) -> None:
    made = trenova("api-key", "create", "--role", "writer", "--tenant", trenova.tenant, "--json").json
    assert made["key"].startswith(f"trn_{made['id']}_")
    server = {"TRENOVA_API_URL": dev.state["api_url"], "TRENOVA_API_KEY": made["key"]}
    assert trenova("import", "-", "--json", stdin=ndjson({}), **server).json["accepted"] == 1
    assert trenova("api-key", "revoke", made["id"]).lines == [f"revoked {made['id']}"]
    ended = trenova("import", "-", stdin=ndjson({}), **server)
    assert ended.exit_code == 1
    assert "error: the API key is unknown or revoked" in ended.err
    first = list_keys(trenova)[made["id"]]["revoked_at"]
    assert first is not None
    assert trenova("api-key", "revoke", made["id"]).exit_code == 0
    assert list_keys(trenova)[made["id"]]["revoked_at"] == first


def test_a_key_does_what_its_role_and_tenant_allow(trenova: User, dev: Dev) -> None:
    key = trenova("api-key", "create", "--role", "reader", "--tenant", trenova.tenant).lines[0]
    server = {"TRENOVA_API_URL": dev.state["api_url"], "TRENOVA_API_KEY": key}
    error, _ = failed_import(trenova, server)
    assert "role reader" in error
    trenova.add({})
    assert len(trenova("entries", "--json", **server).lines) == 1
    ended = trenova("entries", "--tenant", new_tenant(), **server)
    assert ended.exit_code == 1
    assert "may read the tenant" in ended.err


def failed_import(trenova: User, server: dict[str, str]) -> tuple[str, str]:
    ended = trenova("import", "-", stdin=ndjson({}), **server)
    assert ended.exit_code == 1
    return ended.err.splitlines()[-1], ended.out


def test_control_characters_in_names_are_invalid_and_markup_is_printed_literally(trenova: User) -> None:
    create = ("api-key", "create", "--role", "reader", "--tenant", trenova.tenant, "--name")
    assert trenova(*create, "[red]x").exit_code == 0
    assert "[red]x" in trenova("api-key", "list").out
    refused = trenova(*create, "x\x1b[31m")
    assert refused.exit_code == 1
    assert "--name: expected 1 to 512 printable characters, got 6" in refused.err


@pytest.mark.parametrize("words", [(), ("--tenant", "acme", "--any-tenant")])
def test_a_key_needs_either_a_tenant_or_any_tenant(trenova: User, words: tuple[str, ...]) -> None:
    ended = trenova("api-key", "create", "--role", "writer", *words)
    assert ended.exit_code == 2
    assert "--any-tenant" in ended.err


def test_a_mistake_is_reported_as_one_error_and_one_hint(trenova: User, newcomer: User) -> None:
    words = ("api-key", "create", "--role", "writer", "--tenant")
    assert trenova(*words, "two words").error_and_hint()[0] == "invalid tenant 'two words'"
    error, hint = trenova("api-key", "revoke", "0").error_and_hint()
    assert error == "there is no API key with the id 0"
    assert hint == "list them: trenova api-key list"
    error, hint = User(newcomer.folder, newcomer.folder / "none", newcomer.tenant)("api-key", "list").error_and_hint()
    assert "database.url: nothing given" in error
    assert "make dev" in hint


def test_an_unreachable_database_is_one_error_and_one_hint_without_its_password(trenova: User) -> None:
    url = "postgresql://u:hunter2@127.0.0.1:1/d"
    error, hint = trenova("api-key", "list", TRENOVA_DATABASE__URL=url).error_and_hint()
    assert error.startswith("the database is unreachable: ")
    assert "hunter2" not in error + hint
