"""Every way in which the connection to Temporal can be misconfigured, with what is to be said of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from certificates import Authority
from trenova.errors import InvalidConfiguration, TemporalDenied, TemporalUnreachable, TrenovaError

API_KEY = "sesame"
DIAL = "failed to dial temporal client at {address}: "
AWAY, REFUSES, WRONG = TemporalUnreachable, TemporalDenied, InvalidConfiguration


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """`at` names a server of the fixture, or is an address. In texts `{address}` and `{folder}` are filled in."""

    name: str
    at: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    kind: type[TrenovaError]
    cause: str
    reason: str = ""
    """The words of whoever found it: a part of the message."""
    next_step: str


def tls(**files: str) -> dict[str, Any]:
    return {"tls": {"enabled": True, **files}}


CA, CLIENT = {"caFile": "{folder}/authority.pem"}, {"certFile": "{folder}/client.pem", "keyFile": "{folder}/client.key"}
CASES = [
    Case(
        name="name unknown",
        at="temporal.invalid:7233",
        kind=AWAY,
        cause=DIAL + "the name temporal.invalid is unknown here: ",
        next_step="correct temporal.hostPort (TEMPORAL_ADDRESS), or this machine's DNS",
    ),
    Case(
        name="nobody listening",
        at="nobody",
        kind=AWAY,
        cause=DIAL + "no connection: Connection refused",
        next_step="start Temporal (`make dev`, or `temporal server start-dev`), or correct temporal.hostPort",
    ),
    Case(
        name="a web server listening",
        at="http",
        kind=AWAY,
        cause=DIAL + "what listens there is not Temporal's frontend: it answers 'HTTP/1.1 400 Bad Request'",
        next_step="correct temporal.hostPort (TEMPORAL_ADDRESS): the frontend's gRPC port, 7233 as a rule",
    ),
    Case(
        name="somebody listening who hangs up",
        at="mute",
        kind=AWAY,
        cause=DIAL + "it accepts connections, and closes them at once: ",
        reason="what is behind it may be down, or is not Temporal's frontend",
        next_step="correct temporal.hostPort",
    ),
    Case(
        name="stopped behind a load balancer",
        at="closing",
        kind=AWAY,
        cause=DIAL + "it accepts connections, and closes them at once: what is behind it may be down",
        next_step="see that Temporal runs: a proxy or a load balancer in front of one that is down goes on accepting",
    ),
    Case(
        name="stopped behind a load balancer that passes TLS on",
        at="closing",
        settings=tls(**CA, **CLIENT),
        kind=AWAY,
        cause=DIAL + "it accepts connections, and closes them during the TLS handshake: what is behind it may be down",
        next_step="see that Temporal runs",
    ),
    Case(
        name="stopped behind a proxy that ends TLS",
        at="stopped",
        settings=tls(**CA),
        kind=AWAY,
        cause=DIAL + "it accepts connections, and closes them after the TLS handshake: what is behind it may be down, "
        "or it asks for a client certificate without saying so",
        next_step="see that Temporal runs",
    ),
    Case(
        name="stopped behind a proxy that ends TLS, a client certificate at hand",
        at="stopped",
        settings=tls(**CA, **CLIENT),
        kind=AWAY,
        cause=DIAL + "it accepts connections, and closes them after the TLS handshake: what is behind it may be down, "
        "or it refuses the client certificate without saying so",
        next_step="and see that it takes the client certificate (temporal.tls.certFile)",
    ),
    Case(
        name="stopped behind a proxy that takes the client certificate",
        at="stopped mtls",
        settings=tls(**CA, **CLIENT),
        kind=AWAY,
        cause=DIAL + "it accepts connections, and closes them after the TLS handshake: what is behind it may be down",
        next_step="see that Temporal runs",
    ),
    Case(
        name="stopped behind a proxy that refuses the client certificate",
        at="stopped mtls",
        settings=tls(**CA, certFile="{folder}/stranger.pem", keyFile="{folder}/stranger.key"),
        kind=REFUSES,
        cause=DIAL + "Temporal refuses the client certificate (temporal.tls.certFile): ",
        next_step="use one that an authority of the server has signed",
    ),
    Case(
        name="stopped behind a proxy that answers for it",
        at="HTTP 503",
        kind=AWAY,
        cause=DIAL + "a proxy or another server answers, and not Temporal: UNAVAILABLE: ",
        reason="HTTP status code 503",
        next_step="see that Temporal runs",
    ),
    Case(
        name="stopped behind a proxy that answers for it with a page",
        at="page 503",
        kind=AWAY,
        cause=DIAL + "a proxy or another server answers, and not Temporal: INTERNAL: ",
        reason="status: 503",
        next_step="see that Temporal runs",
    ),
    Case(
        name="a proxy that forbids with a page",
        at="page 403",
        kind=AWAY,
        cause=DIAL + "a proxy or another server answers, and not Temporal: INTERNAL: ",
        reason="status: 403",
        next_step="look at the log of the proxy",
    ),
    Case(
        name="a web server with HTTP/2",
        at="page 200",
        kind=AWAY,
        cause=DIAL + "what listens there is not Temporal's frontend: ",
        next_step="correct temporal.hostPort",
    ),
    Case(
        name="a proxy that forbids",
        at="HTTP 403",
        kind=AWAY,
        cause=DIAL + "a proxy or another server answers, and not Temporal: PERMISSION_DENIED: ",
        reason="HTTP status code 403",
        next_step="look at the log of the proxy; if there is none, correct temporal.hostPort",
    ),
    Case(
        name="a proxy that asks who we are, an API key at hand",
        at="HTTP 401",
        settings={"apiKey": API_KEY, "tls": {"enabled": False}},
        kind=AWAY,
        cause=DIAL + "a proxy or another server answers, and not Temporal: UNAUTHENTICATED: ",
        reason="HTTP status code 401",
        next_step="look at the log of the proxy",
    ),
    Case(
        name="a proxy that knows no such place",
        at="HTTP 404",
        kind=AWAY,
        cause=DIAL + "what listens there is not Temporal's frontend: ",
        reason="HTTP status code 404",
        next_step="correct temporal.hostPort",
    ),
    Case(
        name="TLS at the server only",
        at="tls",
        kind=AWAY,
        cause=DIAL + "the port speaks TLS, and TLS is off here",
        next_step="set temporal.tls.enabled: true (TEMPORAL_TLS=true)",
    ),
    Case(
        name="TLS and client certificates at the server only",
        at="mtls",
        kind=AWAY,
        cause=DIAL + "the port speaks TLS, and TLS is off here",
        next_step="set temporal.tls.enabled: true (TEMPORAL_TLS=true)",
    ),
    Case(
        name="TLS here only",
        at="plain",
        settings=tls(),
        kind=AWAY,
        cause=DIAL + "TLS is on here, because temporal.tls says so, and the port does not speak it: ",
        reason="wrong version number",
        next_step="correct temporal.hostPort, or turn TLS off: temporal.tls.enabled: false",
    ),
    Case(
        name="TLS here only, because of an API key",
        at="plain",
        settings={"apiKey": API_KEY},
        kind=AWAY,
        cause=DIAL + "TLS is on here, because an API key is set, and the port does not speak it: ",
        next_step="turn TLS off: temporal.tls.enabled: false",
    ),
    Case(
        name="an authority that the system does not know",
        at="tls",
        settings=tls(),
        kind=AWAY,
        cause=DIAL + "no authority that is trusted here has signed the server's certificate: ",
        reason="unable to get local issuer certificate",
        next_step="set temporal.tls.caFile: the certificate of the authority that signed it",
    ),
    Case(
        name="the wrong authority",
        at="tls",
        settings=tls(caFile="{folder}/other.pem"),
        kind=AWAY,
        cause=DIAL + "no authority that is trusted here has signed the server's certificate: ",
        next_step="correct temporal.tls.caFile: the certificate of the authority that signed it",
    ),
    Case(
        name="a host that is not in the certificate",
        at="named",
        settings=tls(**CA),
        kind=AWAY,
        cause=DIAL + "the server's certificate is for another name than localhost: ",
        reason="Hostname mismatch",
        next_step="correct temporal.tls.serverName (a name that is in the certificate)",
    ),
    Case(
        name="a server name that is not in the certificate",
        at="tls",
        settings=tls(**CA, serverName="temporal.example"),
        kind=AWAY,
        cause=DIAL + "the server's certificate is for another name than temporal.example: ",
        next_step="correct temporal.tls.serverName",
    ),
    Case(
        name="server certificate expired",
        at="expired",
        settings=tls(**CA),
        kind=AWAY,
        cause=DIAL + "the server's certificate is not good at this time: certificate has expired",
        next_step="renew the certificate of the Temporal server; if it is good, this machine's clock is wrong",
    ),
    Case(
        name="client certificate expired",
        at="mtls",
        settings=tls(**CA, certFile="{folder}/old.pem", keyFile="{folder}/old.key"),
        kind=REFUSES,
        cause=DIAL + "the client certificate (temporal.tls.certFile) expired on 20",
        next_step="renew it, and start API and workers again",
    ),
    Case(
        name="client certificate of an authority that the server does not know",
        at="mtls",
        settings=tls(**CA, certFile="{folder}/stranger.pem", keyFile="{folder}/stranger.key"),
        kind=REFUSES,
        cause=DIAL + "Temporal refuses the client certificate (temporal.tls.certFile): ",
        next_step="use one that an authority of the server has signed",
    ),
    Case(
        name="no client certificate where one is required",
        at="mtls",
        settings=tls(**CA),
        kind=REFUSES,
        cause=DIAL + "Temporal asks for a client certificate, and none is configured: ",
        reason="certificate required",
        next_step="set temporal.tls.certFile and temporal.tls.keyFile",
    ),
    Case(
        name="namespace missing",
        at="plain",
        settings={"namespace": "elsewhere"},
        kind=REFUSES,
        cause=DIAL + "there is no namespace elsewhere: Namespace elsewhere is not found.",
        next_step="correct temporal.namespace (TEMPORAL_NAMESPACE), or make it: "
        "temporal operator namespace create --namespace elsewhere",
    ),
    Case(
        name="namespace missing, behind TLS",
        at="mtls",
        settings={"namespace": "elsewhere", **tls(**CA, **CLIENT)},
        kind=REFUSES,
        cause=DIAL + "there is no namespace elsewhere: ",
        next_step="correct temporal.namespace",
    ),
    Case(
        name="API key missing",
        at="cloud",
        kind=REFUSES,
        cause=DIAL + "Temporal asks for credentials, and none are configured: UNAUTHENTICATED: Jwt is missing",
        next_step="set temporal.apiKey (TEMPORAL_API_KEY), or a client certificate",
    ),
    Case(
        name="API key wrong",
        at="cloud",
        settings={"apiKey": "wrong", "tls": {"enabled": False}},
        kind=REFUSES,
        cause=DIAL + "Temporal refuses the API key (temporal.apiKey): PERMISSION_DENIED: Request unauthorized.",
        next_step="renew temporal.apiKey (TEMPORAL_API_KEY), and see that it may use the namespace default",
    ),
    Case(
        name="certificate and key that do not fit each other",
        at="mtls",
        settings=tls(**CA, certFile="{folder}/client.pem", keyFile="{folder}/stranger.key"),
        kind=WRONG,
        cause="temporal.tls.keyFile: {folder}/stranger.key is not the key of the certificate in temporal.tls.certFile "
        "({folder}/client.pem)",
        next_step="use the key that the certificate was made for; after a renewal replace both",
    ),
    Case(
        name="certificate file not PEM",
        at="mtls",
        settings=tls(**CA, certFile="{folder}/not.pem", keyFile="{folder}/client.key"),
        kind=WRONG,
        cause="temporal.tls.certFile: {folder}/not.pem holds no certificate in PEM",
        next_step="put PEM files there",
    ),
    Case(
        name="key file not PEM",
        at="mtls",
        settings=tls(**CA, certFile="{folder}/client.pem", keyFile="{folder}/not.pem"),
        kind=WRONG,
        cause="temporal.tls.keyFile: {folder}/not.pem holds no private key in PEM",
        next_step="put PEM files there",
    ),
    Case(
        name="certificate and key exchanged",
        at="mtls",
        settings=tls(**CA, certFile="{folder}/client.key", keyFile="{folder}/client.pem"),
        kind=WRONG,
        cause="temporal.tls.certFile: {folder}/client.key holds no certificate in PEM; "
        "temporal.tls.keyFile: {folder}/client.pem holds no private key in PEM",
        next_step="put PEM files there",
    ),
    Case(
        name="key with a passphrase",
        at="mtls",
        settings=tls(**CA, certFile="{folder}/locked.pem", keyFile="{folder}/locked.key"),
        kind=WRONG,
        cause="temporal.tls.keyFile: {folder}/locked.key holds a private key with a passphrase, expected one without",
        next_step="its private key without a passphrase",
    ),
    Case(
        name="authority file not PEM",
        at="tls",
        settings=tls(caFile="{folder}/not.pem"),
        kind=WRONG,
        cause="temporal.tls.caFile: {folder}/not.pem holds no certificate in PEM",
        next_step="the authority's certificate",
    ),
    Case(
        name="authority file with a block that is no certificate",
        at="tls",
        settings=tls(caFile="{folder}/broken.pem"),
        kind=WRONG,
        cause="temporal.tls.caFile: {folder}/broken.pem holds no certificate in PEM",
        next_step="the authority's certificate",
    ),
    Case(
        name="a file that is not there",
        at="tls",
        settings=tls(caFile="{folder}/gone.pem"),
        kind=WRONG,
        cause="temporal.tls.caFile: {folder}/gone.pem cannot be read: No such file or directory",
        next_step="put PEM files there",
    ),
    Case(
        name="a certificate without its key",
        at="mtls",
        settings=tls(**CA, certFile="{folder}/client.pem"),
        kind=WRONG,
        cause="temporal.tls: a certificate and its key are needed together, only one is given",
        next_step="set temporal.tls.certFile and temporal.tls.keyFile, or neither",
    ),
]


def write_files(folder: Path) -> Authority:
    """Everything that the cases name, and the authority of the servers."""
    authority = Authority(folder)
    Authority(folder, "other").issue("stranger")
    authority.issue("client")
    authority.issue("locked", passphrase=b"secret")
    (folder / "not.pem").write_text("0123456789\n")
    (folder / "broken.pem").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    return authority
