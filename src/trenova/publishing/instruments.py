"""What the publishing of checkpoints measures. No tenant is a label; the log lines and the doctor have the names."""

from prometheus_client import Gauge

WITNESS_REFUSED = Gauge("trenova_witness_refused_logs", "Logs that a witness refuses now, added up over the witnesses")
PUBLISHING_REFUSED = Gauge("trenova_publishing_refused_logs", "Logs that contradict their published checkpoint now")
PUBLISHING_FAILED = Gauge("trenova_publishing_failed_logs", "Logs whose checkpoint this worker cannot write as a file")
PUBLISHING_AWAY = Gauge("trenova_publishing_away", "Witnesses and folders that this worker does not reach")
