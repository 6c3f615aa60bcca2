"""The environment of the processes we start: nothing in it leads to another installation than that of `trenova dev`."""

import re
from collections.abc import Mapping

FOREIGN = re.compile(
    r"PG[A-Z]+"  # libpq would connect to another server, or ask for TLS
    r"|TEMPORAL_(ADDRESS|NAMESPACE|PROFILE|CONFIG_FILE|API_KEY|GRPC_META.*|TLS.*|CODEC_.*|CLI_.*)"
    r"|TRENOVA_TEMPORAL__(HOST_PORT|NAMESPACE|API_KEY|GRPC_META|TLS__.*)"
    r"|TRENOVA_(DATABASE__(OWNER_|OPERATOR_)?URL|API__HOST|API__PORT|SIGNING_KEY|LEDGER__SIGNING_KEY_FILE)"
    r"|TRENOVA_API_(URL|KEY)"  # of the command line
    # Witnesses and published checkpoints of another installation, and entries that wait for its Temporal.
    r"|TRENOVA_(LEDGER__WITNESSES|LEDGER__PUBLISH_FOLDER|API__SPOOL__FOLDER)"
)


def own_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` without the variables that lead to another installation: its servers, keys and folders."""
    return {name: value for name, value in environ.items() if not FOREIGN.fullmatch(name)}
