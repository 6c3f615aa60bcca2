"""Options that several commands have, and how their values are checked."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from trenova.domain.entry import StoredTenant
from trenova.errors import InvalidRequest

ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", help="Settings in YAML; else TRENOVA_CONFIG, else config/config.yaml.", dir_okay=False),
]


DataDir = Annotated[
    Path,
    typer.Option("--data-dir", help="The data folder of `trenova dev`.", envvar="TRENOVA_DATA_DIR", file_okay=False),
]


def check_tenant(tenant: str | None) -> None:
    """Raise InvalidRequest for what no tenant was ever called, in any release."""
    try:
        msgspec.convert(tenant, StoredTenant | None)
    except msgspec.ValidationError:
        raise InvalidRequest(
            f"invalid tenant {tenant!r}", hint="use 1 to 128 of the characters A-Z a-z 0-9 . _ -"
        ) from None


def not_empty(value: str | None) -> str | None:
    """Of an option's value: what a shell makes of a variable that is not set must not count as no option."""
    if value is not None and not value.strip():
        raise typer.BadParameter("empty: leave the option out, or see that what it comes from is there")
    return value


ApiUrl = Annotated[
    str | None,
    typer.Option("--api-url", envvar="TRENOVA_API_URL", callback=not_empty, help="Address of the API."),
]


ApiKeyText = Annotated[
    str | None,
    typer.Option(
        "--api-key", envvar="TRENOVA_API_KEY", callback=not_empty, help="API key; other users can see a flag."
    ),
]


Json = Annotated[bool, typer.Option("--json", help="Print JSON, an object a line, for machines; errors too.")]
