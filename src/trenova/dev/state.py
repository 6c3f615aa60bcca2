"""`dev.json`: where everything is, for people and programs, while it runs and only then."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from trenova.dev.folder import write_private


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
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
