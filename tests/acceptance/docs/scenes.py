"""What the pages take for granted: their examples' names, with what stands for them in a real installation."""

import asyncio
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import httpx
import psycopg
from sqlalchemy.engine import make_url

from acceptance.conftest import Dev, entry_of, free_ports, store
from contract.store.whole_log import past_triggers
from poison import POISON, Rule
from trenova.dev.postgres import Postgres

Replaced = Mapping[str, str]


def nothing(_: Dev) -> Replaced:
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """How one page is played."""

    prepare: Callable[[Dev], Replaced] = nothing
    """Brings about what the page is about; returns what stands in its place in the page."""
    replaced: Replaced = field(default_factory=dict)
    """What stands in the page, and what is typed for it here."""


def owner_url(dev: Dev) -> str:
    return Postgres(dev.data_dir, port=make_url(dev.state["database_url"]).port).owner_url


def an_old_log(dev: Dev) -> Replaced:
    """Entries of the tenant that the page removes, older than its policy, and one that its hold keeps."""

    async def make_old() -> None:
        async with await psycopg.AsyncConnection.connect(owner_url(dev), autocommit=True) as owner:
            older = "UPDATE entries SET received_at = received_at - interval '800 days' WHERE tenant = %s"
            await past_triggers(owner, older, "acme")

    with dev.api() as api:
        store(api, entry_of(tenant="acme"), entry_of(tenant="acme"))
    asyncio.run(make_old())
    first = "import json, sys; print(json.loads(sys.stdin.readline())['id'])"
    placed = f'trenova hold list --json | python -c "{first}"'
    return {"release 3f9a0c1d-2e4b-4c5d-8e6f-7a8b9c0d1e2f": f'release "$({placed})"'}


def a_parked_entry(dev: Dev) -> Replaced:
    rule = Rule(owner_url(dev), "no_tests")
    asyncio.run(rule.make())
    with dev.api() as api:
        store(api, entry_of(tenant="acme", action=POISON), status=httpx.codes.MULTI_STATUS)
        (letter,) = api.get("/v1/dead-letters", params={"tenant": "acme"}).json()["dead_letters"]
    return {"01a206c7-35e5-7164-9a76-c072b4cd9ea1": letter["id"]}


def a_request_with_an_id(dev: Dev) -> Replaced:
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

SCENES = {
    "docs/dead-letters.md": Scene(
        prepare=a_parked_entry, replaced={"trenova dead-letters edit": f"EDITOR='{EDITOR}' trenova dead-letters edit"}
    ),
    "docs/monitoring.md": Scene(prepare=a_request_with_an_id),
    "docs/retention.md": Scene(prepare=an_old_log),
    "docs/encryption.md": Scene(replaced={"trenova dev": SECOND_DEV, "$OLD_KEY": "text of 32 characters and more"}),
    # `trenova dev` does not pass as a production: a code of the table in place of 3.
    "docs/doctor.md": Scene(replaced={"pgbackrest --stanza=main check": "true", "test $? = 3": "test $? -ge 10"}),
    "docs/witnesses.md": Scene(replaced={"audit.example.com/v1/log": "localhost:8080/v1/log"}),
}


def scene_of(page: str) -> Scene:
    return SCENES.get(page, Scene())


def search_path(*folders: object) -> str:
    return os.pathsep.join([*(str(folder) for folder in folders), "/usr/local/bin", "/usr/bin", "/bin"])
