"""The log output of the servers: lines for people on a terminal, one JSON object per line elsewhere."""

import logging
import sys
from collections.abc import Sequence
from logging.handlers import WatchedFileHandler
from pathlib import Path
from typing import Any

import structlog
from structlog.typing import EventDict

from trenova.config import LogSettings

SHARED_PROCESSORS: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def escape_event(_: object, __: str, event: EventDict) -> EventDict:
    """For a terminal: escape control characters in the message. The renderer escapes those in the values."""
    return {**event, "event": escape_unprintable(str(event.get("event", "")))}


def escape_unprintable(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def add_file(file: Path) -> None:
    """Also write everything to this file, as JSON for `trenova logs`. A rotated file is opened again."""
    handler = WatchedFileHandler(file, encoding="utf-8")
    handler.setFormatter(formatter([structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]))
    logging.getLogger().addHandler(handler)


def set_up(log: LogSettings) -> None:
    """Send the records of structlog and of the standard library (uvicorn's, Temporal's) to standard error alike."""
    console = log.format == "console" or (log.format == "auto" and sys.stderr.isatty())
    rendering: list[Any] = (
        # Plain tracebacks: the default ones show local variables, which may be entries and keys.
        [
            escape_event,
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            ),
        ]
        if console
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter(rendering))
    logging.basicConfig(handlers=[handler], level=log.level.upper(), force=True)
    if log.level == "info":
        # httpx logs every request, and every scrape of our metrics makes one.
        logging.getLogger("httpx").setLevel(logging.WARNING)
    structlog.configure(
        # The filter comes first, so that a dropped line costs nothing.
        processors=[
            structlog.stdlib.filter_by_level,
            *SHARED_PROCESSORS,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )


def formatter(rendering: Sequence[Any]) -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=SHARED_PROCESSORS,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
    )
