"""The environment of what we start: `trenova dev` is a world of its own, whatever server the user's shell points to."""

import re
from collections.abc import Mapping

FOREIGN = re.compile(
    r"PG[A-Z]+"  # libpq would send us to another server, or ask for TLS
    r"|TEMPORAL_(ADDRESS|NAMESPACE|PROFILE|CONFIG_FILE|API_KEY|GRPC_META.*|TLS.*|CODEC_.*|CLI_.*)"
    r"|TRENOVA_TEMPORAL__(HOST_PORT|NAMESPACE|API_KEY|GRPC_META|TLS__.*)"
    r"|TRENOVA_(DATABASE__(OWNER_|OPERATOR_)?URL|API__HOST|API__PORT|SIGNING_KEY|LEDGER__SIGNING_KEY_FILE)"
    r"|TRENOVA_API_(URL|KEY)"  # of the command line
    # Who cosigns the logs of another installation, where these are published, and entries that wait for its Temporal.
    r"|TRENOVA_(LEDGER__WITNESSES|LEDGER__PUBLISH_FOLDER|API__SPOOL__FOLDER)"
)


def own_world(environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` without what leads to another installation: its servers, keys and folders. All else stays."""
    return {name: value for name, value in environ.items() if not FOREIGN.fullmatch(name)}
