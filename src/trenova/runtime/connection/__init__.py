"""How a process reaches Temporal: on one machine, on a cluster or on Temporal Cloud, by configuration alone.

`certificates` reads what the settings name, before anything is dialled. `dialing` makes the client. When Temporal
cannot be reached, or refuses, `causes` walks the way there step by step (`steps`) and names the first that fails: each
cause has its words and its next step in `words`, and nowhere else. docs/connecting.md lists them all.
May import: codec, config, errors, tracing.
"""

from trenova.runtime.connection.causes import NoWay, explain, is_from_others, refuses
from trenova.runtime.connection.certificates import check, tls_of
from trenova.runtime.connection.dialing import ask, connect, reach

__all__ = ["NoWay", "ask", "check", "connect", "explain", "is_from_others", "reach", "refuses", "tls_of"]
