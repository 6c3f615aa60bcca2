"""The clock of a server is set back and forth under load: nothing is lost, stored twice or out of order."""

import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg

from acceptance import test_journey
from acceptance.conftest import User, entry_of, store
from acceptance.test_journey import Servers, answers
from conftest import new_tenant
from waiting import LIMIT_S, until

home_folder, servers = test_journey.home_folder, test_journey.servers

SOURCE = Path(__file__).parent / "clock" / "shifted.c"
# An hour back, a month ahead, and back to a year ago.
SHIFTS = (0, -3600, 30 * 86400, -365 * 86400, 0)
EACH = 10


def test_a_jumping_clock_changes_times_and_nothing_else(servers: Servers) -> None:
    shift, clock = servers.folder / "shift", servers.folder / "shifted.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", str(clock), str(SOURCE), "-ldl"], check=True)
    set_clock(shift, 0)
    jumping = servers.with_(LD_PRELOAD=str(clock), CLOCK_SHIFT=str(shift))
    trenova = User(servers.folder, servers.folder, new_tenant())
    made = trenova(
        "api-key", "create", "--role", "admin", "--any-tenant", "--json", stdin=b"", **servers.variables
    ).json
    url = f"http://127.0.0.1:{servers.variables['TRENOVA_API__PORT']}"
    headers = {"Authorization": f"Bearer {made['key']}"}
    with (
        jumping.running("api") as api,
        jumping.running("worker") as worker,
        httpx.Client(base_url=url, headers=headers, timeout=LIMIT_S, trust_env=False, verify=False) as client,
    ):
        until(lambda: answers(client), api.log.read_text)
        worker.wait_for_event("worker started")
        sent, followed = [], Feed(client, trenova.tenant)
        for seconds in SHIFTS:
            set_clock(shift, seconds)
            # Ids of the caller, and ids that the server derives from its clock.
            named = [entry_of(tenant=trenova.tenant, id=str(uuid.uuid4())) for _ in range(EACH)]
            unnamed = [entry_of(tenant=trenova.tenant) for _ in range(EACH)]
            own = client.post("/v1/entries?wait=stored", json=unnamed)
            assert own.status_code == 201, own.text
            for answer in (own, store(client, *named)):
                sent += [entry["id"] for entry in answer.json()["entries"]]
            # A retry, as after a lost answer, is recognised whatever the clock says.
            store(client, *named)
            followed.read(len(sent))
        assert len(set(sent)) == len(sent)
        assert followed.ids == sent
        assert sorted(read_pages(client, trenova.tenant)) == sorted(sent)
        api.stop()
        worker.stop()
    with psycopg.connect(servers.variables["TRENOVA_DATABASE__URL"]) as connection:
        rows = connection.execute(
            "SELECT id::text, index, received_at FROM entries WHERE tenant = %s ORDER BY index", [trenova.tenant]
        ).fetchall()
    assert [(id_, index) for id_, index, _ in rows] == list(zip(sent, range(len(sent)), strict=True))
    # The clock really jumped.
    times = [received_at for _, _, received_at in rows]
    assert max(times).year > min(times).year


class Feed:
    """A follower of the feed, which continues from its cursor."""

    def __init__(self, client: httpx.Client, tenant: str) -> None:
        self.client = client
        self.params: dict[str, Any] = {"tenant": tenant, "order": "stored", "limit": 7}
        self.ids: list[str] = []

    def read(self, count: int) -> None:
        """Read until `count` entries have come: a page ends before the first transaction that is still running."""
        until(lambda: self.read_page() >= count)

    def read_page(self) -> int:
        page = self.client.get("/v1/entries", params=self.params).json()
        self.ids += [entry["id"] for entry in page["entries"]]
        self.params["cursor"] = page["next_cursor"]
        return len(self.ids)


def read_pages(client: httpx.Client, tenant: str) -> Iterator[str]:
    params: dict[str, Any] = {"tenant": tenant, "limit": 7}
    while True:
        page = client.get("/v1/entries", params=params).json()
        yield from (entry["id"] for entry in page["entries"])
        if not page["next_cursor"]:
            return
        params["cursor"] = page["next_cursor"]


def set_clock(file: Path, seconds: int) -> None:
    """Set the offset of the clock atomically: a reader finds the old number or the new one."""
    new = file.with_suffix(".new")
    new.write_text(str(seconds))
    new.replace(file)
