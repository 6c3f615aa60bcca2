"""Temporal's own configuration, its TOML profiles and official variables, as our `temporal` section."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

QUOTE = re.compile(r"\s*\d*\s*\|")


def asks_for_profile(environ: Mapping[str, str]) -> bool:
    return bool(environ.get("TEMPORAL_PROFILE") or environ.get("TEMPORAL_CONFIG_FILE"))


def temporal_profile(environ: Mapping[str, str], *, read_file: bool, problems: list[str]) -> dict[str, Any]:
    """Temporal's own variables, over a profile of the TOML file if `read_file`, as our `temporal` section.

    With an empty `environ` that is the default profile of the user's file, if there is one. A named profile or file
    that does not exist is a problem.
    """
    from temporalio.envconfig import ClientConfigProfile  # noqa: PLC0415 - slow to import, and most commands need none

    file = Path(environ["TEMPORAL_CONFIG_FILE"]) if environ.get("TEMPORAL_CONFIG_FILE") else None
    if file is not None and not file.is_file():
        problems.append(f"TEMPORAL_CONFIG_FILE: {file}: no such file")
        return {}
    try:
        profile = ClientConfigProfile.load(
            environ.get("TEMPORAL_PROFILE") or None,
            config_source=file,
            disable_file=not read_file,
            override_env_vars=dict(environ),
        )
    except (RuntimeError, OSError) as error:
        problems.append(f"TEMPORAL_PROFILE / TEMPORAL_CONFIG_FILE: {toml_complaint(error)}")
        return {}
    temporal: dict[str, Any] = {
        "hostPort": profile.address,
        "namespace": profile.namespace,
        "apiKey": profile.api_key,
        "grpcMeta": dict(profile.grpc_meta) or None,
    }
    if profile.tls is not None:
        temporal["tls"] = profile_tls(profile.tls.to_dict())
    return {"temporal": {key: value for key, value in temporal.items() if value}}


def toml_complaint(error: Exception) -> str:
    """The message without the lines that quote the file (`2 | api_key = …`), which may hold a secret."""
    return ": ".join(line.strip() for line in str(error).splitlines() if line.strip() and not QUOTE.match(line))


def profile_tls(tls: Mapping[str, Any]) -> dict[str, Any]:
    names = {"client_cert": "cert", "client_key": "key", "server_ca_cert": "ca"}
    settings: dict[str, Any] = {}
    if "disabled" in tls:
        settings["enabled"] = not tls["disabled"]
    if tls.get("server_name"):
        settings["serverName"] = tls["server_name"]
    for theirs, ours in names.items():
        source = tls.get(theirs) or {}
        if "path" in source:
            settings[f"{ours}File"] = source["path"]
        elif "data" in source:
            settings[f"{ours}Data"] = source["data"]
    return settings
