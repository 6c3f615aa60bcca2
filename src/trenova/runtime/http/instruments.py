"""What the limits of connections count. Nothing that a client sends makes a new label."""

from prometheus_client import Counter

REASONS = ("not_http", "too_long", "too_slow", "too_many_pipelined", "no_room", "answer_not_taken")

CONNECTIONS_CUT = Counter("trenova_connections_cut", "Connections that a limit ended", ["reason"])
for _reason in REASONS:
    CONNECTIONS_CUT.labels(reason=_reason)
