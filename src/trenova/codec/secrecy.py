"""The settings of this package as one value."""

from dataclasses import dataclass
from typing import Literal

# Payloads below it stay as they are: the layer itself costs about 30 bytes and gains little on a short text.
DEFAULT_THRESHOLD_BYTES = 1024

# `auto` tells base64, hex, wrapped keys and other text apart; `raw32` is what the older Go system does.
KeyFormat = Literal["auto", "raw32"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrecy:
    """What is done to payloads. `loading.load_keyring` checks it together with the keys."""

    enable_encryption: bool = False
    # The id of the key that encrypts; every other key only decrypts.
    encryption_key_id: str = "default"
    enable_compression: bool = True
    # Bytes of the serialized payload; smaller ones are never compressed, 0 tries all of them.
    compression_threshold: int = DEFAULT_THRESHOLD_BYTES
    # Strict mode. With it on, workflows that were started in plain text stand still until it is off again.
    require_encryption: bool = False
    # How the text of every key becomes 32 bytes, see `keys.read_secret`.
    key_format: KeyFormat = "auto"

    def problems(self) -> list[str]:
        """One line for each setting that cannot work, whatever the keys are."""
        found = []
        if self.compression_threshold < 0:
            found.append(f"compressionThreshold: {self.compression_threshold}; expected 0 or more bytes")
        if self.require_encryption and not self.enable_encryption:
            found.append(
                "requireEncryption: true with enableEncryption: false; would refuse this program's own payloads"
            )
        if self.key_format not in ("auto", "raw32"):
            found.append(f"keyFormat: {self.key_format!r}; expected auto or raw32")
        return found
