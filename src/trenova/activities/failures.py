"""How our errors end an attempt of an activity, and when the next attempt begins."""

from datetime import timedelta

import structlog
from temporalio.exceptions import ApplicationError

from trenova.errors import TrenovaError

log = structlog.get_logger()

# An operator must fix these. Nothing accepted is given up: the work resumes by itself once that is done.
OPERATOR_RETRY_DELAY = timedelta(minutes=5)


def activity_failure(error: TrenovaError) -> ApplicationError:
    """A failure that is always retried: soon if that may help by itself, else rarely and with an error in the log."""
    # Without a cause: with the stacks of two drivers Temporal would keep only "Failure exceeds size limit".
    kind = error.failure_type
    if error.retryable:
        return ApplicationError(error.message, type=kind)
    log.error("operator action required", error=error.message, hint=error.hint, kind=kind)
    return ApplicationError(error.message, type=kind, next_retry_delay=OPERATOR_RETRY_DELAY)
