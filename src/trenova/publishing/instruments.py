"""The metrics of publishing checkpoints. No tenant is a label; logs and `trenova doctor` name the tenants."""

from prometheus_client import Gauge

WITNESS_REFUSED = Gauge(
    "trenova_witness_refused_logs", "Ledgers that a witness declines now, summed over the witnesses"
)
PUBLISHING_REFUSED = Gauge("trenova_publishing_refused_logs", "Ledgers that contradict their published checkpoint now")
PUBLISHING_FAILED = Gauge(
    "trenova_publishing_failed_logs", "Ledgers whose checkpoint this worker cannot write as a file"
)
PUBLISHING_AWAY = Gauge("trenova_publishing_away", "Witnesses and folders that this worker cannot reach")
