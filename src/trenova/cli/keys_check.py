"""The configured keys, and which of them open workflows still need."""

import os
from typing import Any

from rich.table import Column, Table
from temporalio.service import RPCError

from trenova.cli import screen
from trenova.codec import keytool
from trenova.codec.settings import converter_of, keyring_of
from trenova.config import Settings
from trenova.connection import connect
from trenova.errors import Unavailable
from trenova.inflight import PLAIN, OpenWork, open_work

MOST_LOOKED_AT = 10_000


def configured(loaded: Settings) -> tuple[keytool.KeyReport, ...]:
    return keytool.check(keyring_of(loaded.temporal.security, os.environ))


async def ask(loaded: Settings) -> OpenWork:
    client = await connect(loaded.temporal, converter_of(loaded.temporal.security, os.environ))
    try:
        return await open_work(client, most=MOST_LOOKED_AT)
    except RPCError as error:
        raise Unavailable(f"Temporal does not say which workflows are open: {error.message}") from None


def report(keys: tuple[keytool.KeyReport, ...], work: OpenWork | None) -> dict[str, Any]:
    return {
        "keys": [
            {"id": key.id, "encrypts": key.encrypts, "form": key.form, "source": key.source, "print": key.fingerprint}
            for key in keys
        ],
        "open_workflows": None
        if work is None
        else {
            "looked_at": work.looked_at,
            "complete": work.complete,
            "by_key_id": {name or "(plain)": number for name, number in work.key_ids.items()},
            "unreadable": dict(work.unreadable),
        },
    }


def show(keys: tuple[keytool.KeyReport, ...], work: OpenWork | None) -> None:
    console = screen.console()
    # Fingerprints are there to be compared: never cut.
    fingerprint = Column("fingerprint", no_wrap=True, min_width=16)
    table = Table(
        "id", "does", "form", Column("from", overflow="fold"), fingerprint, "needed by open workflows", box=None
    )
    for key in keys:
        needed = "?" if work is None else str(work.key_ids.get(key.id, 0))
        does = "encrypts, decrypts" if key.encrypts else "decrypts"
        table.add_row(screen.literal(key.id), does, key.form, screen.literal(key.source), key.fingerprint, needed)
    console.print(table if keys else "no encryption keys are configured")
    if work is None:
        return
    if plain := work.key_ids.get(PLAIN, 0):
        console.print(f"{plain:,} open workflows hold plain payloads, which need no key")
    for key_id, reason in work.unreadable.items():
        waiting = f"key {key_id or '(none)'}: {reason}; open workflows stand still until the right key is back"
        console.print(screen.literal(waiting), style="red", soft_wrap=True)
    if not work.complete:
        console.print(f"only the {work.looked_at:,} latest of the open workflows were looked at", style="yellow")
    spare = [key.id for key in keys if not key.encrypts and not work.key_ids.get(key.id) and work.complete]
    if spare:
        unneeded = f"no open workflow needs {', '.join(spare)}; histories of closed ones become unreadable without"
        console.print(unneeded, markup=False, soft_wrap=True)
