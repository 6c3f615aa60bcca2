"""Appends the database's records of changes to the ledgers, soon after each change."""

import asyncio
from typing import NoReturn

import structlog

from trenova.errors import TrenovaError
from trenova.store.records import Records

log = structlog.get_logger()

# Cheap: it looks into an index that is usually empty.
CHECK_EVERY_S = 5


async def keep_appending(records: Records) -> NoReturn:
    """Append pending records until cancelled. A cancelled append is rolled back and repeated here or in another worker.

    A failure is logged once, until an attempt succeeds again.
    """
    failed = False
    while True:
        try:
            if appended := await records.append_pending():
                log.info("records appended", records=appended)
            failed = False
        except TrenovaError as error:
            if not failed:
                log.warning("records wait", error=error.message, hint=error.hint)
            failed = True
        except Exception:  # a bug here must be logged, and must not stop the worker
            log.exception("records wait")
            failed = True
        await asyncio.sleep(CHECK_EVERY_S)
