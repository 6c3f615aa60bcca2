"""The certificates and keys that the settings name, checked before anything is dialled.

For some wrong files the SDK reports only an unknown server, for others nothing before the first call.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from temporalio.service import TLSConfig

from trenova.config import TemporalSettings, TlsSettings
from trenova.errors import InvalidConfiguration

BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.DOTALL)
HINT = "use PEM files: the certificate, its private key without a passphrase, the authority's certificate"
PAIR_HINT = "use the key that the certificate was made for; after a renewal, replace both"


@dataclass(frozen=True, slots=True)
class Pem:
    """The content of one setting, or of the file that it names."""

    setting: str
    file: Path | None
    content: bytes = field(repr=False)

    def problem(self, problem: str) -> str:
        return f"{self.setting}: {self.file or 'the text'} {problem}"


def check(temporal: TemporalSettings) -> None:
    """Raise InvalidConfiguration with every problem of the certificates and keys that no server can accept."""
    tls_of(temporal.tls)


def tls_of(tls: TlsSettings) -> TLSConfig | bool | None:
    """The SDK's TLS settings. None leaves the choice to the SDK, which turns TLS on when there is an API key."""
    if tls.enabled is False:
        return False
    problems: list[str] = []
    certificate = read_pem("cert", tls.cert_file, tls.cert_data, problems)
    key = read_pem("key", tls.key_file, tls.key_data.get_secret_value() if tls.key_data else None, problems)
    authority = read_pem("ca", tls.ca_file, tls.ca_data, problems)
    if problems:
        raise InvalidConfiguration(problems, hint=HINT)
    problems = [*problems_of_authority(authority), *problems_of_certificate(certificate), *problems_of_key(key)]
    if problems:
        raise InvalidConfiguration(problems, hint=HINT)
    check_pair(certificate, key)
    if certificate or authority or tls.server_name:
        return TLSConfig(
            server_root_ca_cert=authority.content if authority else None,
            client_cert=certificate.content if certificate else None,
            client_private_key=key.content if key else None,
            domain=tls.server_name,
        )
    return tls.enabled


def read_pem(what: str, file: Path | None, data: str | None, problems: list[str]) -> Pem | None:
    if data is not None:
        return Pem(f"temporal.tls.{what}Data", None, data.encode())
    if file is None:
        return None
    setting = f"temporal.tls.{what}File"
    try:
        return Pem(setting, file, file.read_bytes())
    except OSError as error:
        problems.append(f"{setting}: {file} cannot be read: {error.strerror}")
        return None


def problems_of_authority(authority: Pem | None) -> Iterator[str]:
    if authority is not None and first_certificate(authority.content) is None:
        yield authority.problem("holds no certificate in PEM")


def problems_of_certificate(certificate: Pem | None) -> Iterator[str]:
    if certificate is not None and first_certificate(certificate.content) is None:
        yield certificate.problem("holds no certificate in PEM")


def problems_of_key(key: Pem | None) -> Iterator[str]:
    if key is None:
        return
    try:
        private_key(key.content)
    except TypeError:
        yield key.problem("holds a private key with a passphrase, expected one without")
    except (ValueError, UnsupportedAlgorithm):
        yield key.problem("holds no private key in PEM")


def check_pair(certificate: Pem | None, key: Pem | None) -> None:
    """Raise InvalidConfiguration unless both belong to one pair, or both are absent. Each one is valid already."""
    if certificate is None and key is None:
        return
    if certificate is None or key is None:
        problem = "temporal.tls: a certificate and its key are needed together, but only one is set"
        raise InvalidConfiguration([problem], hint="set temporal.tls.certFile and temporal.tls.keyFile, or neither")
    client = first_certificate(certificate.content)
    if client is None or not is_key_of(private_key(key.content), client):
        where = f"{certificate.setting} ({certificate.file or 'the text'})"
        raise InvalidConfiguration([key.problem(f"is not the key of the certificate in {where}")], hint=PAIR_HINT)


def first_certificate(content: bytes) -> x509.Certificate | None:
    """The first certificate that can be read. The SDK skips unreadable ones in a bundle, too."""
    for block in BLOCK.finditer(content):
        if block[1].endswith(b"CERTIFICATE"):
            try:
                return x509.load_pem_x509_certificate(block[0])
            except ValueError:
                continue
    return None


def private_key(content: bytes) -> PrivateKeyTypes:
    """The private key. Raises TypeError if it has a passphrase, ValueError or UnsupportedAlgorithm if there is none."""
    for block in BLOCK.finditer(content):
        # `openssl ecparam` writes the curve's parameters before the key.
        if block[1].endswith(b"PRIVATE KEY"):
            return serialization.load_pem_private_key(block[0], None)
    raise ValueError("no private key block")


def is_key_of(key: PrivateKeyTypes, certificate: x509.Certificate) -> bool:
    form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(*form) == certificate.public_key().public_bytes(*form)
