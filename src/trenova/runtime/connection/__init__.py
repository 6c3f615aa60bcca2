"""How a process connects to Temporal: on one machine, on a cluster or on Temporal Cloud, by configuration alone.

`certificates` reads the files that the settings name, before anything is dialled. `dialing` makes the client. When
Temporal is unreachable or denies access, `causes` checks the connection step by step (`steps`) and names the first
step that fails. Every cause has its message and its next step in `faults`; docs/connecting.md lists them all.
May import: config, tracing, errors.
"""

from trenova.runtime.connection.causes import ConnectionFault, explain, is_denial, is_from_proxy
from trenova.runtime.connection.certificates import check, tls_of
from trenova.runtime.connection.dialing import check_reachable, connect, probe

__all__ = [
    "ConnectionFault",
    "check",
    "check_reachable",
    "connect",
    "explain",
    "is_denial",
    "is_from_proxy",
    "probe",
    "tls_of",
]
