"""Every way in which the connection to Temporal can be misconfigured, with the expected error and next step."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from certificates import Authority
from trenova.errors import InvalidConfiguration, TemporalDenied, TemporalUnreachable, TrenovaError

API_KEY = "sesame"
DIAL = "failed to dial temporal client at {address}: "
CLOSED = DIAL + "the server accepts connections but closes them "
BEHIND_PROXY = "Temporal may be down behind a proxy"
UNREACHABLE, DENIED, INVALID = TemporalUnreachable, TemporalDenied, InvalidConfiguration


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """`at` is a server of the fixture, or an address. `{address}` and `{folder}` are replaced in all texts."""

    name: str
    at: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    kind: type[TrenovaError]
    cause: str
    reason: str = ""
    """A part of the message: the words of the system or server that reported the problem."""
    next_step: str


def tls(**files: str) -> dict[str, Any]:
    return {"tls": {"enabled": True, **files}}


CA, CLIENT = {"caFile": "{folder}/authority.pem"}, {"certFile": "{folder}/client.pem", "keyFile": "{folder}/client.key"}
CASES = [
    Case(
        name="name unknown",
        at="temporal.invalid:7233",
        kind=UNREACHABLE,
        cause=DIAL + "the host name temporal.invalid cannot be resolved: ",
        next_step="correct temporal.hostPort (TEMPORAL_ADDRESS), or this machine's DNS",
    ),
    Case(
        name="no server listening",
        at="no server",
        kind=UNREACHABLE,
        cause=DIAL + "no connection: Connection refused",
        next_step="start Temporal (`make dev`, or `temporal server start-dev`), or correct temporal.hostPort",
    ),
    Case(
        name="a web server listening",
        at="http",
        kind=UNREACHABLE,
        cause=DIAL + "the server on that port is not Temporal's frontend: it answers 'HTTP/1.1 400 Bad Request'",
        next_step="correct temporal.hostPort (TEMPORAL_ADDRESS) to the frontend's gRPC port, usually 7233",
    ),
    Case(
        name="a server that hangs up",
        at="hanging up",
        kind=UNREACHABLE,
        cause=CLOSED + f"at once: {BEHIND_PROXY}, ",
        reason="or another program listens on that port",
        next_step="correct temporal.hostPort",
    ),
    Case(
        name="stopped behind a load balancer",
        at="closing",
        kind=UNREACHABLE,
        cause=CLOSED + f"at once: {BEHIND_PROXY}",
        next_step="check that Temporal is running: a proxy or load balancer keeps accepting connections",
    ),
    Case(
        name="stopped behind a load balancer that passes TLS on",
        at="closing",
        settings=tls(**CA, **CLIENT),
        kind=UNREACHABLE,
        cause=CLOSED + f"during the TLS handshake: {BEHIND_PROXY}",
        next_step="check that Temporal is running",
    ),
    Case(
        name="stopped behind a proxy that ends TLS",
        at="stopped",
        settings=tls(**CA),
        kind=UNREACHABLE,
        cause=CLOSED + f"after the TLS handshake: {BEHIND_PROXY}, "
        "or the server requires a client certificate without saying so",
        next_step="check that Temporal is running",
    ),
    Case(
        name="stopped behind a proxy that ends TLS, with a client certificate",
        at="stopped",
        settings=tls(**CA, **CLIENT),
        kind=UNREACHABLE,
        cause=CLOSED + f"after the TLS handshake: {BEHIND_PROXY}, "
        "or the server rejects the client certificate without saying so",
        next_step="and check that it accepts the client certificate (temporal.tls.certFile)",
    ),
    Case(
        name="stopped behind a proxy that accepts the client certificate",
        at="stopped mtls",
        settings=tls(**CA, **CLIENT),
        kind=UNREACHABLE,
        cause=CLOSED + f"after the TLS handshake: {BEHIND_PROXY}",
        next_step="check that Temporal is running",
    ),
    Case(
        name="stopped behind a proxy that denies the client certificate",
        at="stopped mtls",
        settings=tls(**CA, certFile="{folder}/stranger.pem", keyFile="{folder}/stranger.key"),
        kind=DENIED,
        cause=DIAL + "Temporal denied the client certificate (temporal.tls.certFile): ",
        next_step="use one that is signed by an authority the server trusts",
    ),
    Case(
        name="stopped behind a proxy that answers for it",
        at="HTTP 503",
        kind=UNREACHABLE,
        cause=DIAL + "a proxy or another server answered instead of Temporal: UNAVAILABLE: ",
        reason="HTTP status code 503",
        next_step="check that Temporal is running",
    ),
    Case(
        name="stopped behind a proxy that answers for it with a page",
        at="page 503",
        kind=UNREACHABLE,
        cause=DIAL + "a proxy or another server answered instead of Temporal: INTERNAL: ",
        reason="status: 503",
        next_step="check that Temporal is running",
    ),
    Case(
        name="a proxy that forbids with a page",
        at="page 403",
        kind=UNREACHABLE,
        cause=DIAL + "a proxy or another server answered instead of Temporal: INTERNAL: ",
        reason="status: 403",
        next_step="look at the log of the proxy",
    ),
    Case(
        name="a web server with HTTP/2",
        at="page 200",
        kind=UNREACHABLE,
        cause=DIAL + "the server on that port is not Temporal's frontend: ",
        next_step="correct temporal.hostPort",
    ),
    Case(
        name="a proxy that forbids",
        at="HTTP 403",
        kind=UNREACHABLE,
        cause=DIAL + "a proxy or another server answered instead of Temporal: PERMISSION_DENIED: ",
        reason="HTTP status code 403",
        next_step="look at the log of the proxy; if there is none, correct temporal.hostPort",
    ),
    Case(
        name="a proxy that requires authentication, with an API key",
        at="HTTP 401",
        settings={"apiKey": API_KEY, "tls": {"enabled": False}},
        kind=UNREACHABLE,
        cause=DIAL + "a proxy or another server answered instead of Temporal: UNAUTHENTICATED: ",
        reason="HTTP status code 401",
        next_step="look at the log of the proxy",
    ),
    Case(
        name="a proxy that answers not found",
        at="HTTP 404",
        kind=UNREACHABLE,
        cause=DIAL + "the server on that port is not Temporal's frontend: ",
        reason="HTTP status code 404",
        next_step="correct temporal.hostPort",
    ),
    Case(
        name="TLS at the server only",
        at="tls",
        kind=UNREACHABLE,
        cause=DIAL + "the server requires TLS, and TLS is off in our settings",
        next_step="set temporal.tls.enabled: true (TEMPORAL_TLS=true)",
    ),
    Case(
        name="TLS and client certificates at the server only",
        at="mtls",
        kind=UNREACHABLE,
        cause=DIAL + "the server requires TLS, and TLS is off in our settings",
        next_step="set temporal.tls.enabled: true (TEMPORAL_TLS=true)",
    ),
    Case(
        name="TLS at the client only",
        at="plain",
        settings=tls(),
        kind=UNREACHABLE,
        cause=DIAL + "TLS is on in our settings because temporal.tls turns it on, and the server does not speak it: ",
        reason="wrong version number",
        next_step="correct temporal.hostPort, or turn TLS off: temporal.tls.enabled: false",
    ),
    Case(
        name="TLS at the client only, because of an API key",
        at="plain",
        settings={"apiKey": API_KEY},
        kind=UNREACHABLE,
        cause=DIAL + "TLS is on in our settings because an API key is set, and the server does not speak it: ",
        next_step="turn TLS off: temporal.tls.enabled: false",
    ),
    Case(
        name="an authority that the system does not know",
        at="tls",
        settings=tls(),
        kind=UNREACHABLE,
        cause=DIAL + "the server's certificate is not signed by a trusted authority: ",
        reason="unable to get local issuer certificate",
        next_step="set temporal.tls.caFile: the certificate of the authority that signed it",
    ),
    Case(
        name="the wrong authority",
        at="tls",
        settings=tls(caFile="{folder}/other.pem"),
        kind=UNREACHABLE,
        cause=DIAL + "the server's certificate is not signed by a trusted authority: ",
        next_step="correct temporal.tls.caFile: the certificate of the authority that signed it",
    ),
    Case(
        name="a host that is not in the certificate",
        at="named",
        settings=tls(**CA),
        kind=UNREACHABLE,
        cause=DIAL + "the server's certificate is not for localhost: ",
        reason="Hostname mismatch",
        next_step="correct temporal.tls.serverName (a name that is in the certificate)",
    ),
    Case(
        name="a server name that is not in the certificate",
        at="tls",
        settings=tls(**CA, serverName="temporal.example"),
        kind=UNREACHABLE,
        cause=DIAL + "the server's certificate is not for temporal.example: ",
        next_step="correct temporal.tls.serverName",
    ),
    Case(
        name="server certificate expired",
        at="expired",
        settings=tls(**CA),
        kind=UNREACHABLE,
        cause=DIAL + "the server's certificate is not valid at this time: certificate has expired",
        next_step="renew the certificate of the Temporal server; if it is still valid, correct this machine's clock",
    ),
    Case(
        name="client certificate expired",
        at="mtls",
        settings=tls(**CA, certFile="{folder}/old.pem", keyFile="{folder}/old.key"),
        kind=DENIED,
        cause=DIAL + "the client certificate (temporal.tls.certFile) expired on 20",
        next_step="renew it, and restart the API and the workers",
    ),
    Case(
        name="client certificate of an authority that the server does not know",
        at="mtls",
        settings=tls(**CA, certFile="{folder}/stranger.pem", keyFile="{folder}/stranger.key"),
        kind=DENIED,
        cause=DIAL + "Temporal denied the client certificate (temporal.tls.certFile): ",
        next_step="use one that is signed by an authority the server trusts",
    ),
    Case(
        name="no client certificate where one is required",
        at="mtls",
        settings=tls(**CA),
        kind=DENIED,
        cause=DIAL + "Temporal requires a client certificate, and none is configured: ",
        reason="certificate required",
        next_step="set temporal.tls.certFile and temporal.tls.keyFile",
    ),
    Case(
        name="namespace missing",
        at="plain",
        settings={"namespace": "elsewhere"},
        kind=DENIED,
        cause=DIAL + "the namespace elsewhere does not exist: Namespace elsewhere is not found.",
        next_step="correct temporal.namespace (TEMPORAL_NAMESPACE), or create it: "
        "temporal operator namespace create --namespace elsewhere",
    ),
    Case(
        name="namespace missing, behind TLS",
        at="mtls",
        settings={"namespace": "elsewhere", **tls(**CA, **CLIENT)},
        kind=DENIED,
        cause=DIAL + "the namespace elsewhere does not exist: ",
        next_step="correct temporal.namespace",
    ),
    Case(
        name="API key missing",
        at="cloud",
        kind=DENIED,
        cause=DIAL + "Temporal requires credentials, and none are configured: UNAUTHENTICATED: Jwt is missing",
        next_step="set temporal.apiKey (TEMPORAL_API_KEY), or a client certificate",
    ),
    Case(
        name="API key wrong",
        at="cloud",
        settings={"apiKey": "wrong", "tls": {"enabled": False}},
        kind=DENIED,
        cause=DIAL + "Temporal denied the API key (temporal.apiKey): PERMISSION_DENIED: Request unauthorized.",
        next_step="renew temporal.apiKey (TEMPORAL_API_KEY), and check that it may use the namespace default",
    ),
    Case(
        name="certificate and key that do not match",
        at="mtls",
        settings=tls(**CA, certFile="{folder}/client.pem", keyFile="{folder}/stranger.key"),
        kind=INVALID,
        cause="temporal.tls.keyFile: {folder}/stranger.key is not the key of the certificate in temporal.tls.certFile "
        "({folder}/client.pem)",
        next_step="use the key that the certificate was made for; after a renewal, replace both",
    ),
    Case(
        name="certificate file not PEM",
        at="mtls",
        settings=tls(**CA, certFile="{folder}/not.pem", keyFile="{folder}/client.key"),
        kind=INVALID,
        cause="temporal.tls.certFile: {folder}/not.pem holds no certificate in PEM",
        next_step="use PEM files",
    ),
    Case(
        name="key file not PEM",
        at="mtls",
        settings=tls(**CA, certFile="{folder}/client.pem", keyFile="{folder}/not.pem"),
        kind=INVALID,
        cause="temporal.tls.keyFile: {folder}/not.pem holds no private key in PEM",
        next_step="use PEM files",
    ),
    Case(
        name="certificate and key swapped",
        at="mtls",
        settings=tls(**CA, certFile="{folder}/client.key", keyFile="{folder}/client.pem"),
        kind=INVALID,
        cause="temporal.tls.certFile: {folder}/client.key holds no certificate in PEM; "
        "temporal.tls.keyFile: {folder}/client.pem holds no private key in PEM",
        next_step="use PEM files",
    ),
    Case(
        name="key with a passphrase",
        at="mtls",
        settings=tls(**CA, certFile="{folder}/locked.pem", keyFile="{folder}/locked.key"),
        kind=INVALID,
        cause="temporal.tls.keyFile: {folder}/locked.key holds a private key with a passphrase, expected one without",
        next_step="its private key without a passphrase",
    ),
    Case(
        name="authority file not PEM",
        at="tls",
        settings=tls(caFile="{folder}/not.pem"),
        kind=INVALID,
        cause="temporal.tls.caFile: {folder}/not.pem holds no certificate in PEM",
        next_step="the authority's certificate",
    ),
    Case(
        name="authority file with a block that is not a certificate",
        at="tls",
        settings=tls(caFile="{folder}/broken.pem"),
        kind=INVALID,
        cause="temporal.tls.caFile: {folder}/broken.pem holds no certificate in PEM",
        next_step="the authority's certificate",
    ),
    Case(
        name="a missing file",
        at="tls",
        settings=tls(caFile="{folder}/gone.pem"),
        kind=INVALID,
        cause="temporal.tls.caFile: {folder}/gone.pem cannot be read: No such file or directory",
        next_step="use PEM files",
    ),
    Case(
        name="a certificate without its key",
        at="mtls",
        settings=tls(**CA, certFile="{folder}/client.pem"),
        kind=INVALID,
        cause="temporal.tls: a certificate and its key are needed together, but only one is set",
        next_step="set temporal.tls.certFile and temporal.tls.keyFile, or neither",
    ),
]


def write_files(folder: Path) -> Authority:
    """Write every file that the cases name; return the authority of the servers."""
    authority = Authority(folder)
    Authority(folder, "other").issue("stranger")
    authority.issue("client")
    authority.issue("locked", passphrase=b"secret")
    (folder / "not.pem").write_text("0123456789\n")
    (folder / "broken.pem").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    return authority
