"""The metrics about the program itself: its release, and the ids and fingerprints of its encryption keys."""

from prometheus_client import Gauge, disable_created_metrics

from trenova import __version__
from trenova.keys.keyring import Keyring

BUILD = Gauge("trenova_build_info", "The release that is running", ["version"])
KEYS = Gauge(
    "trenova_encryption_key_info",
    "Encryption keys of this process: the one that encrypts, and those that only decrypt",
    ["id", "use"],
)

FINGERPRINTS = Gauge(
    "trenova_encryption_key_fingerprint_info",
    "Fingerprints of the keys of this process; one id must have the same fingerprint in every process",
    ["id", "fingerprint"],
)


def publish(keyring: Keyring) -> None:
    """Publish the metrics, once at start. Ids are chosen by an operator and in every payload; keys are never shown."""
    # Without a line per counter for the time when it was created.
    disable_created_metrics()  # type: ignore[no-untyped-call]
    BUILD.labels(version=__version__).set(1)
    for key_id in keyring.ids:
        KEYS.labels(id=key_id, use="encrypts" if key_id == keyring.encrypting_id else "decrypts").set(1)
        FINGERPRINTS.labels(id=key_id, fingerprint=keyring.keys[key_id].fingerprint()).set(1)
