"""How a process reaches Temporal: on one machine, on a cluster or on Temporal Cloud, by configuration alone.

May import: codec, config, errors, tracing.
"""

from pathlib import Path

from temporalio.client import Client
from temporalio.converter import DataConverter
from temporalio.runtime import Runtime
from temporalio.service import RPCError, TLSConfig

from trenova import tracing
from trenova.config import Temporal, Tls
from trenova.errors import InvalidConfiguration, Unavailable

DIAL_HINT = "start Temporal (`make dev`, or `temporal server start-dev`), or correct temporal.hostPort"


async def connect(
    temporal: Temporal, data_converter: DataConverter, *, lazy: bool = False, runtime: Runtime | None = None
) -> Client:
    """A client for the configured server. Raises Unavailable when nobody answers there.

    `lazy`: connect with the first call instead, so that a process can be up before Temporal is.
    """
    try:
        return await Client.connect(
            temporal.host_port,
            namespace=temporal.namespace,
            api_key=temporal.api_key.get_secret_value() if temporal.api_key else None,
            tls=tls_of(temporal.tls),
            rpc_metadata=dict(temporal.grpc_meta),
            data_converter=data_converter,
            lazy=lazy,
            runtime=runtime,
            interceptors=tracing.current.interceptors(),
        )
    except (RuntimeError, RPCError) as error:
        reason = " ".join(str(error).split())
        raise Unavailable(f"failed to dial temporal client at {temporal.host_port}: {reason}", hint=DIAL_HINT) from None


def tls_of(tls: Tls) -> TLSConfig | bool | None:
    """None leaves the choice to the SDK, which turns TLS on when there is an API key."""
    if tls.enabled is False:
        return False
    certificate = pem("certFile", tls.cert_file, tls.cert_data)
    key = pem("keyFile", tls.key_file, tls.key_data.get_secret_value() if tls.key_data else None)
    authority = pem("caFile", tls.ca_file, tls.ca_data)
    if (certificate is None) != (key is None):
        raise InvalidConfiguration(["temporal.tls: a certificate and its key are needed together, only one is given"])
    if certificate or authority or tls.server_name:
        return TLSConfig(
            server_root_ca_cert=authority, client_cert=certificate, client_private_key=key, domain=tls.server_name
        )
    return tls.enabled


def pem(setting: str, file: Path | None, data: str | None) -> bytes | None:
    if data is not None:
        return data.encode()
    if file is None:
        return None
    try:
        return file.read_bytes()
    except OSError as error:
        problem = f"temporal.tls.{setting}: {file} cannot be read: {error.strerror}"
        raise InvalidConfiguration([problem]) from None
