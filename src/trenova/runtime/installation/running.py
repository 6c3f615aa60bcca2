"""What is running from a data folder, read from the files `dev.json` and `embedded.json`, which exist while it runs."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from trenova import config
from trenova.errors import InvalidConfiguration
from trenova.runtime.installation import members
from trenova.runtime.installation.folder import Folder, write_private


@dataclass(frozen=True, slots=True, kw_only=True)
class DevJson:
    """The content of `dev.json`; field names are public."""

    api_url: str
    api_key: str
    temporal_address: str
    temporal_namespace: str
    ui_url: str
    database_url: str
    metrics_url: str
    worker_metrics_url: str
    pids: dict[str, int]

    def write(self, file: Path) -> None:
        write_private(file, json.dumps(asdict(self), indent=2) + "\n")


class Running(msgspec.Struct, frozen=True):
    """What commands need from `dev.json`, which exists while `trenova dev` runs."""

    api_url: str
    api_key: str
    database_url: str
    temporal_address: str = ""
    ui_url: str = ""

    def __repr__(self) -> str:
        return f"Running(api_url={self.api_url!r})"


class EmbeddedJson(msgspec.Struct, frozen=True):
    """`embedded.json`, which exists while PostgreSQL runs for `trenova api` and `trenova worker`."""

    api_key: str
    database_url: str

    def __repr__(self) -> str:
        return "EmbeddedJson()"


State = TypeVar("State", Running, EmbeddedJson)


DEFAULT_API_URL = f"http://{config.ApiSettings().host}:{config.ApiSettings().port}"


def read_running(data_dir: Path) -> Running | None:
    """The running `trenova dev`, else the PostgreSQL that runs for API and workers, else None."""
    running = read_struct(data_dir / "dev.json", Running)
    if running is not None:
        return running
    embedded = read_struct(data_dir / "embedded.json", EmbeddedJson)
    return None if embedded is None else with_member_addresses(embedded, data_dir)


def read_struct(file: Path, kind: type[State]) -> State | None:
    try:
        return msgspec.json.decode(file.read_bytes(), type=kind)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise InvalidConfiguration([f"{file}: cannot be read: {error}"]) from None


def with_member_addresses(embedded: EmbeddedJson, data_dir: Path) -> Running:
    """With the addresses from the settings of a member: of an API if there is one, else of a worker."""
    member = next(iter(members.list_members(Folder(data_dir))), None)
    return Running(
        api_url=member.api_url if member else DEFAULT_API_URL,
        api_key=embedded.api_key,
        database_url=embedded.database_url,
        temporal_address=member.temporal_address if member else "",
    )
