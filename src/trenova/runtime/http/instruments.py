"""Metrics of the connection limits. Labels are fixed: nothing that a client sends adds one."""

from prometheus_client import Counter

REASONS = ("not_http", "too_long", "too_slow", "too_many_pipelined", "no_room", "answer_not_taken")

CONNECTIONS_CUT = Counter("trenova_connections_cut", "Connections that were closed by a limit", ["reason"])
for _reason in REASONS:
    CONNECTIONS_CUT.labels(reason=_reason)
