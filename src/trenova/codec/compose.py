"""From settings and keys to the one codec and data converter that API, worker, CLI and replay tests share."""

from temporalio.converter import DataConverter

from trenova.codec.compression import Compression
from trenova.codec.converter import data_converter
from trenova.codec.encryption import Encryption
from trenova.codec.keyring import Keyring
from trenova.codec.layers import Layers
from trenova.codec.secrecy import Secrecy


def payload_codec(secrecy: Secrecy, keyring: Keyring, *, max_sent_bytes: int | None = None) -> Layers:
    """The composed codec. It always reads every layer it has keys for, whatever it writes.

    So encryption and compression can be turned on, off and on again while workflows are open.
    """
    compression = Compression(threshold_bytes=secrecy.compression_threshold)
    encryption = Encryption(keyring)
    return Layers(
        encoding=[
            *([compression] if secrecy.enable_compression else []),
            *([encryption] if secrecy.enable_encryption else []),
        ],
        decoding=[compression, encryption],
        require_encryption=secrecy.require_encryption,
        max_sent_bytes=max_sent_bytes,
    )


def data_converter_for(secrecy: Secrecy, keyring: Keyring, *, max_sent_bytes: int | None = None) -> DataConverter:
    """The shared data converter. Failure messages are encoded exactly when encryption is on.

    Without it, encoding them would hide them from a developer's Web UI and protect nothing.
    """
    codec = payload_codec(secrecy, keyring, max_sent_bytes=max_sent_bytes)
    return data_converter(codec, encode_failures=secrecy.enable_encryption)
