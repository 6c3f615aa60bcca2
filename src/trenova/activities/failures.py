"""How an error of ours ends an attempt of an activity, and when the next one begins."""

from datetime import timedelta

import structlog
from temporalio.exceptions import ApplicationError

from trenova.errors import TrenovaError

log = structlog.get_logger()

# Nothing but a human mends these, and nothing accepted is given up: the work goes on by itself once that is done.
OPERATOR_RETRY_DELAY = timedelta(minutes=5)


def activity_failure(error: TrenovaError) -> ApplicationError:
    """Always tried again: soon where that may help by itself, else seldom and with an alarm in the log."""
    # Without its cause: with the stacks of two drivers Temporal keeps only "Failure exceeds size limit".
    kind = error.failure_type
    if error.retryable:
        return ApplicationError(error.message, type=kind)
    log.error("stopped, call somebody", error=error.message, hint=error.hint, kind=kind)
    return ApplicationError(error.message, type=kind, next_retry_delay=OPERATOR_RETRY_DELAY)
