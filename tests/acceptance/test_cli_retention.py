"""`trenova retention` and `trenova hold`: policies, dry runs, removals and holds, each recorded in the ledger."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from acceptance.conftest import Dev, User
from conftest import new_tenant
from contract.store.ledger_check import past_triggers
from trenova.dev.postgres import Postgres


@pytest.fixture
async def owner(dev: Dev) -> AsyncIterator[psycopg.AsyncConnection[tuple[Any, ...]]]:
    port = int(re.search(r":(\d+)/", dev.state["database_url"])[1])  # type: ignore[index]
    url = Postgres(dev.data_dir, port=port).owner_url
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        yield connection


def actions(trenova: User) -> list[str]:
    return [entry["action"] for entry in reversed(trenova.stored_entries())]


async def age(owner: psycopg.AsyncConnection[tuple[Any, ...]], tenant: str) -> None:
    """Make all entries of the tenant 90 days older than they are."""
    await past_triggers(
        owner, "UPDATE entries SET received_at = received_at - interval '90 days' WHERE tenant = %s", tenant
    )


async def test_content_is_removed_after_its_days_unless_it_is_held(
    trenova: User, owner: psycopg.AsyncConnection[tuple[Any, ...]]
) -> None:
    trenova.add({}, {"action": "billing.refund"}, {})
    await age(owner, trenova.tenant)
    mine = ("--tenant", trenova.tenant)
    assert trenova("retention", "set", *mine, "--days", "30").lines == [f"{trenova.tenant}: kept for 30 days"]
    placed = trenova(
        "hold", "place", *mine, "--action", "billing.*", "--name", "Case 17", "--reason", "Court order", "--by", "ada"
    )
    (hold,) = placed.lines
    (would,) = trenova("retention", "run", *mine, "--dry-run", "--json").objects
    assert (would["tenant"], would["entries"], would["held"]) == (trenova.tenant, 2, 1)
    assert actions(trenova) == ["shipment.update", "billing.refund", "shipment.update", "retention.set", "hold.place"]
    (done,) = trenova("retention", "run", *mine, "--json").objects
    assert (done["entries"], done["bytes"]) == (2, would["bytes"])
    assert actions(trenova) == ["billing.refund", "retention.set", "hold.place", "retention.remove"]
    assert trenova("hold", "release", hold, "--reason", "Closed").lines == [f"released {hold}"]
    table = trenova("retention", "run", *mine)
    assert [line.split()[:2] for line in table.lines] == [["tenant", "removed"], [trenova.tenant, "1"]]
    live = trenova("verify", "--live", *mine, "--json").json
    # Entries whose columns were changed to age them no longer match their bodies; the removed ones are sound.
    assert live["removed"] == 3
    assert live["places"] == []


def test_policies_are_shown_set_and_unset(trenova: User) -> None:
    mine = ("--tenant", trenova.tenant)
    begin = datetime.now(UTC) - timedelta(minutes=5)
    trenova("retention", "set", *mine, "--forever", "--by", "[red]ada\x1b")
    assert trenova("retention", "show", "--json").exit_code == 0
    trenova("retention", "set", *mine, "--for-ever", "--by", "ada")
    (shown,) = [one for one in trenova("retention", "show", "--json").objects if one["tenant"] == trenova.tenant]
    assert (shown["days"], shown["set_by"]) == (None, "ada")
    assert datetime.fromisoformat(shown["set_at"]) > begin
    assert f"{trenova.tenant}  forever" in trenova("retention", "show").out
    assert trenova("retention", "unset", *mine).lines == [f"{trenova.tenant}: unset"]
    error, hint = trenova("retention", "unset", *mine).error_and_hint()
    assert error == f"no retention is set for {trenova.tenant}"
    assert "trenova retention show" in hint
    assert actions(trenova) == ["retention.set", "retention.unset"]


def test_a_hold_is_listed_until_it_is_released(trenova: User) -> None:
    where = ("--tenant", trenova.tenant, "--actor", "u-1", "--from", "2026-01-31T00:00:00Z")
    id_ = trenova("hold", "place", *where, "--name", "Case 17", "--reason", "Order", "--json").json["id"]

    def list_hold(*words: str) -> list[dict[str, Any]]:
        return [hold for hold in trenova("hold", "list", "--json", *words).objects if hold["id"] == id_]

    ((hold,), table) = (list_hold(), trenova("hold", "list").out)
    assert (hold["actor"], hold["occurred_from"], hold["reason"]) == ("u-1", "2026-01-31T00:00:00Z", "Order")
    assert "actor=u-1 from=2026-01-31T00:00:00Z" in table
    trenova("hold", "release", id_, "--reason", "Closed")
    assert list_hold() == []
    assert list_hold("--released")[0]["release_reason"] == "Closed"


def test_a_mistake_is_reported_as_one_error_and_one_hint(trenova: User) -> None:
    words = ("--name", "x", "--reason", "x")
    assert "has no retention policy" in trenova("retention", "run", "--tenant", new_tenant()).error_and_hint()[0]
    assert "is not an id: it must be a UUID" in trenova("hold", "release", "x", "--reason", "x").error_and_hint()[0]
    assert "expected a time" in trenova("hold", "place", *words, "--all-tenants", "--from", "today").error_and_hint()[0]
    for wrong in (
        ("retention", "set", "--days", "3"),
        ("retention", "set", "--default"),
        ("retention", "set", "--default", "--days", "3", "--forever"),
        ("retention", "set", "--default", "--days", "0"),
        ("hold", "place", *words),
        ("hold", "place", *words, "--tenant", "acme", "--all-tenants"),
    ):
        assert trenova(*wrong).exit_code == 2, wrong
    assert "--name: expected" in trenova("hold", "place", "--all-tenants", "--name", "\x1b", "--reason", "x").err


def test_the_error_for_the_applications_role_names_the_role_that_is_needed(trenova: User, dev: Dev) -> None:
    key = (dev.data_dir / "secrets" / "signing-key").read_text().strip()
    error, hint = trenova(
        *("retention", "set", "--tenant", trenova.tenant, "--days", "30"),
        TRENOVA_DATABASE__URL=dev.state["database_url"],
        TRENOVA_SIGNING_KEY=key,
    ).error_and_hint()
    assert "may not change retention policies or legal holds" in error
    assert "database.ownerUrl" in hint
