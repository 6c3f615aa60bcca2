"""From this program's settings to its keyring and its data converter."""

from collections.abc import Mapping

from temporalio.converter import DataConverter

from trenova.codec.compose import data_converter_for
from trenova.codec.keyring import Keyring
from trenova.codec.keyservice import KeyService, MasterKeyFile
from trenova.codec.loading import load_keyring
from trenova.codec.secrecy import Secrecy
from trenova.config import Security


def secrecy_of(security: Security) -> Secrecy:
    return Secrecy(
        enable_encryption=security.enable_encryption,
        encryption_key_id=security.encryption_key_id,
        enable_compression=security.enable_compression,
        compression_threshold=security.compression_threshold,
        require_encryption=security.require_encryption,
        key_format=security.key_format,
    )


def keyring_of(security: Security, environ: Mapping[str, str]) -> Keyring:
    """Every configured key, each tried. Raises InvalidConfiguration with every problem at once."""
    return load_keyring(secrecy_of(security), environ, folder=security.key_folder, service=key_service_of(security))


def key_service_of(security: Security) -> KeyService | None:
    return None if security.master_key_file is None else MasterKeyFile(security.master_key_file)


def converter_of(security: Security, environ: Mapping[str, str]) -> DataConverter:
    """The one data converter of the API, the worker and the CLI."""
    return data_converter_for(secrecy_of(security), keyring_of(security, environ))
