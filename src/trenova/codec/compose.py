"""From settings and keys to the one codec and data converter that API, worker, CLI and replay tests share."""

from collections.abc import Mapping

from temporalio.converter import DataConverter

from trenova.codec.compression import Compression
from trenova.codec.converter import data_converter
from trenova.codec.encryption import Encryption
from trenova.codec.layered_codec import LayeredCodec
from trenova.config import SecuritySettings
from trenova.keys.keyring import Keyring
from trenova.keys.loading import load_keyring


def payload_codec(security: SecuritySettings, keyring: Keyring, *, max_sent_bytes: int | None = None) -> LayeredCodec:
    """The composed codec. It reads every layer for which it has a key, whatever it writes.

    So encryption and compression can be turned on and off while workflows are open.
    """
    compression = Compression(threshold_bytes=security.compression_threshold)
    encryption = Encryption(keyring)
    return LayeredCodec(
        encoding=[
            *([compression] if security.enable_compression else []),
            *([encryption] if security.enable_encryption else []),
        ],
        decoding=[compression, encryption],
        require_encryption=security.require_encryption,
        max_sent_bytes=max_sent_bytes,
    )


def data_converter_for(
    security: SecuritySettings, keyring: Keyring, *, max_sent_bytes: int | None = None
) -> DataConverter:
    """The shared data converter. It encodes failure messages if and only if encryption is on.

    With encryption off, encoding them would hide them from the Web UI and protect nothing.
    """
    codec = payload_codec(security, keyring, max_sent_bytes=max_sent_bytes)
    return data_converter(codec, encode_failures=security.enable_encryption)


def load_converter(security: SecuritySettings, environ: Mapping[str, str]) -> DataConverter:
    """The data converter with every configured key. Raises InvalidConfiguration, which lists every problem."""
    return data_converter_for(security, load_keyring(security, environ))
