"""Appending what the database has to say in the logs, soon after each change."""

import asyncio
from typing import NoReturn

import structlog

from trenova.errors import TrenovaError
from trenova.store.records import Records

log = structlog.get_logger()

# A look into an index that is empty as a rule.
CHECK_EVERY_S = 5


async def keep_appending(records: Records) -> NoReturn:
    """Look again and again until cancelled. What that cuts off is undone, and done by the next look, here or elsewhere.

    A failure is said once, until a look has gone well again.
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
        except Exception:  # a bug here must be seen, and must not stop the worker
            log.exception("records wait")
            failed = True
        await asyncio.sleep(CHECK_EVERY_S)
