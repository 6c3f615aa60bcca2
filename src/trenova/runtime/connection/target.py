"""The server that a client connects to and the credentials it uses, read from the client's own configuration."""

from dataclasses import dataclass
from typing import Self

from temporalio.client import Client
from temporalio.service import TLSConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Everything a connection to Temporal depends on. `tls` is None where TLS is off."""

    address: str
    namespace: str
    tls: TLSConfig | None
    has_api_key: bool

    @classmethod
    def of(cls, client: Client) -> Self:
        config = client.service_client.config
        tls = config.tls
        if tls is None:
            tls = bool(config.api_key)
        return cls(
            address=config.target_host,
            namespace=client.namespace,
            tls=(TLSConfig() if tls is True else tls) or None,
            has_api_key=bool(config.api_key),
        )

    @property
    def host(self) -> str:
        return self.address.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    @property
    def server_name(self) -> str:
        """The name that the server's certificate must contain."""
        return (self.tls and self.tls.domain) or self.host

    @property
    def has_certificate(self) -> bool:
        return self.tls is not None and self.tls.client_cert is not None
