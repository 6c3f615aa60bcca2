"""Options that several commands have, and how their values are checked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trenova.errors import InvalidRequest
from trenova.runtime import installation

if TYPE_CHECKING:
    from uuid import UUID

DEFAULT_DATA_DIR = installation.DEFAULT_DATA_DIR
MAX_TEXT_LENGTH = 512

ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", help="Settings in YAML; else TRENOVA_CONFIG, else config/config.yaml.", dir_okay=False),
]


DataDir = Annotated[
    Path,
    typer.Option("--data-dir", help="The data folder of `trenova dev`.", envvar="TRENOVA_DATA_DIR", file_okay=False),
]


def check_not_blank(value: str | None) -> str | None:
    """Callback of an option: an empty value, which a shell makes of an unset variable, must not count as no option."""
    if value is not None and not value.strip():
        raise typer.BadParameter("empty: leave the option out, or check that its source (variable or file) is set")
    return value


ApiUrl = Annotated[
    str | None,
    typer.Option("--api-url", envvar="TRENOVA_API_URL", callback=check_not_blank, help="Address of the API."),
]


ApiKeyText = Annotated[
    str | None,
    typer.Option(
        "--api-key",
        envvar="TRENOVA_API_KEY",
        callback=check_not_blank,
        help="API key. Other users of this machine can see it in a flag; prefer the variable.",
    ),
]


Json = Annotated[bool, typer.Option("--json", help="Print JSON, one object per line; errors too.")]

By = Annotated[
    str | None, typer.Option(help="The person to record as the author; default: the name of the current user.")
]


def check_tenant(tenant: str | None) -> None:
    """Raise InvalidRequest for a name that no release has ever accepted for a tenant."""
    import msgspec

    from trenova.domain.entry import StoredTenant

    try:
        msgspec.convert(tenant, StoredTenant | None)
    except msgspec.ValidationError:
        raise InvalidRequest(
            f"invalid tenant {tenant!r}", hint="use 1 to 128 of the characters A-Z a-z 0-9 . _ -"
        ) from None


def tenant_or_all(tenant: str | None, *, every: bool, flag: str) -> str:
    """The tenant's name, or `*` where `flag`, which means every tenant, was given."""
    from trenova.domain.retention import ALL_TENANTS

    if (tenant is None) != every:
        raise typer.BadParameter(f"give either --tenant NAME or {flag}")
    check_tenant(tenant)
    return tenant or ALL_TENANTS


def author(by: str | None) -> str:
    """The name to record. Raises InvalidRequest where there is none."""
    import getpass

    try:
        name = by or getpass.getuser()
    except (KeyError, OSError):
        name = ""
    check_text(name, "--by")
    return name


def check_text(text: str, option: str, *, max_length: int = MAX_TEXT_LENGTH) -> None:
    """Raise InvalidRequest for text that cannot be recorded in an entry: empty, too long or unprintable."""
    if not text.strip() or len(text) > max_length or not text.isprintable():
        raise InvalidRequest(f"{option}: expected 1 to {max_length} printable characters, got {len(text)}")


def parse_uuid(text: str, *, hint: str) -> UUID:
    import uuid

    try:
        return uuid.UUID(text)
    except ValueError:
        raise InvalidRequest(f"{text!r} is not an id: it must be a UUID", hint=hint) from None
