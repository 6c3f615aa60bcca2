"""What a metrics page says of the program itself: its release, and which encryption keys it holds, by their ids.

May import: codec.
"""

from prometheus_client import Gauge, disable_created_metrics

from trenova import __version__
from trenova.keys.keyring import Keyring

BUILD = Gauge("trenova_build_info", "The release that runs", ["version"])
KEYS = Gauge(
    "trenova_encryption_key_info",
    "Encryption keys of this process: the one that encrypts, and all others",
    ["id", "use"],
)

FINGERPRINTS = Gauge(
    "trenova_encryption_key_fingerprint_info",
    "Fingerprints of the keys of this process: one id has the same one in every process",
    ["id", "fingerprint"],
)


def publish(keyring: Keyring) -> None:
    """Once at start. Ids are names that an operator chose, and stand in every payload; a key is never shown."""
    # When each counter began, on a line of its own for each: nobody asks for it.
    disable_created_metrics()  # type: ignore[no-untyped-call]
    BUILD.labels(version=__version__).set(1)
    for key_id in keyring.ids:
        KEYS.labels(id=key_id, use="encrypts" if key_id == keyring.encrypting_id else "decrypts").set(1)
        FINGERPRINTS.labels(id=key_id, fingerprint=keyring.keys[key_id].fingerprint()).set(1)
