"""What a page needs before its commands are typed, and the values that replace its examples."""

import asyncio
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import httpx
import psycopg
from sqlalchemy.engine import make_url

from acceptance.conftest import Dev, entry_of, free_ports, store
from contract.store.ledger_check import past_triggers
from poison_rule import POISON, Rule
from trenova.dev.postgres import Postgres

Replacements = Mapping[str, str]


def prepare_nothing(_: Dev) -> Replacements:
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class PageSetup:
    """How one page is prepared."""

    prepare: Callable[[Dev], Replacements] = prepare_nothing
    """Creates the situation of the page; returns what replaces the page's examples."""
    replacements: Replacements = field(default_factory=dict)
    """Text of the page, and what is typed in its place."""


def owner_url(dev: Dev) -> str:
    return Postgres(dev.data_dir, port=make_url(dev.state["database_url"]).port).owner_url


def make_old_entries(dev: Dev) -> Replacements:
    """Store entries that are older than the page's policy, so that it can remove and hold them."""

    async def make_old() -> None:
        async with await psycopg.AsyncConnection.connect(owner_url(dev), autocommit=True) as owner:
            older = "UPDATE entries SET received_at = received_at - interval '800 days' WHERE tenant = %s"
            await past_triggers(owner, older, "acme")

    with dev.api() as api:
        store(api, entry_of(tenant="acme"), entry_of(tenant="acme"))
    asyncio.run(make_old())
    first = "import json, sys; print(json.loads(sys.stdin.readline())['id'])"
    first_hold = f'trenova hold list --json | python -c "{first}"'
    return {"release 3f9a0c1d-2e4b-4c5d-8e6f-7a8b9c0d1e2f": f'release "$({first_hold})"'}


def park_entry(dev: Dev) -> Replacements:
    rule = Rule(owner_url(dev), "no_tests")
    asyncio.run(rule.make())
    with dev.api() as api:
        store(api, entry_of(tenant="acme", action=POISON), status=httpx.codes.MULTI_STATUS)
        (dead_letter,) = api.get("/v1/dead-letters", params={"tenant": "acme"}).json()["dead_letters"]
    return {"01a206c7-35e5-7164-9a76-c072b4cd9ea1": dead_letter["id"]}


def send_request_with_id(dev: Dev) -> Replacements:
    with dev.api() as api:
        api.headers["X-Request-Id"] = "checkout/7f3a"
        answer = store(api, entry_of(tenant="acme"))
    return {"0199…": answer.json()["batch_id"]}


EDITOR = f"sed -i s/{re.escape(POISON)}/shipment.update/"
SECOND_DEV = "\n".join(
    [
        f"background trenova dev --data-dir $PWD/second {' '.join(free_ports())}",
        "export TRENOVA_DATA_DIR=$PWD/second",
        "until test -e second/dev.json; do sleep 0.1; done",
        "unset TEMPORAL_ADDRESS",
    ]
)

SETUPS = {
    "docs/dead-letters.md": PageSetup(
        prepare=park_entry, replacements={"trenova dead-letters edit": f"EDITOR='{EDITOR}' trenova dead-letters edit"}
    ),
    "docs/monitoring.md": PageSetup(prepare=send_request_with_id),
    "docs/retention.md": PageSetup(prepare=make_old_entries),
    "docs/encryption.md": PageSetup(
        replacements={"trenova dev": SECOND_DEV, "$OLD_KEY": "text of 32 characters and more"}
    ),
    # `trenova dev` is not a production installation: any exit code of the table instead of 3.
    "docs/doctor.md": PageSetup(
        replacements={"pgbackrest --stanza=main check": "true", "test $? = 3": "test $? -ge 10"}
    ),
    "docs/witnesses.md": PageSetup(replacements={"audit.example.com/v1/log": "localhost:8080/v1/log"}),
}


def setup_of(page: str) -> PageSetup:
    return SETUPS.get(page, PageSetup())


def search_path(*folders: object) -> str:
    return os.pathsep.join([*(str(folder) for folder in folders), "/usr/local/bin", "/usr/bin", "/bin"])
