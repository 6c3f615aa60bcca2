"""The error for each way in which a connection to Temporal can fail, with its next step. One function per cause."""

from datetime import datetime

from trenova.errors import TemporalDenied, TemporalUnreachable
from trenova.runtime.connection.target import Target

# The wording of the documented set-up, which people search for.
DIAL_FAILED = "failed to dial temporal client"
START_HINT = (
    "start Temporal (`make dev`, or `temporal server start-dev`), or correct temporal.hostPort (TEMPORAL_ADDRESS)"
)
CHECK_BEHIND_PROXY = (
    "check that Temporal is running: a proxy or load balancer keeps accepting connections while Temporal is down"
)


def unreachable(target: Target, why: str, hint: str) -> TemporalUnreachable:
    return TemporalUnreachable(f"{DIAL_FAILED} at {target.address}: {why}", hint=hint)


def access_denied(target: Target, why: str, hint: str) -> TemporalDenied:
    return TemporalDenied(f"{DIAL_FAILED} at {target.address}: {why}", hint=hint)


def name_unknown(target: Target, reason: str) -> TemporalUnreachable:
    return unreachable(
        target,
        f"the host name {target.host} cannot be resolved: {reason}",
        "correct temporal.hostPort (TEMPORAL_ADDRESS), or this machine's DNS",
    )


def connection_refused(target: Target, reason: str) -> TemporalUnreachable:
    return unreachable(target, f"no connection: {reason}", START_HINT)


def no_route(target: Target, reason: str) -> TemporalUnreachable:
    return unreachable(
        target,
        f"no connection: {reason}",
        "look for a firewall or a route that drops packets between here and there, or correct temporal.hostPort",
    )


def no_reply(target: Target, seconds: float) -> TemporalUnreachable:
    return unreachable(
        target,
        f"the server accepts connections but does not answer within {seconds:g} s",
        "check that Temporal's frontend (gRPC) listens on that port, and look at its log and its load",
    )


def no_answer(target: Target, seconds: float) -> TemporalUnreachable:
    return unreachable(
        target,
        f"no answer within {seconds:g} s",
        "look at the log and the load of the Temporal server, and for a firewall or a route that drops packets",
    )


def connection_closed(target: Target) -> TemporalUnreachable:
    return unreachable(
        target,
        "the server accepts connections but closes them at once: Temporal may be down behind a proxy, "
        "or another program listens on that port",
        f"{CHECK_BEHIND_PROXY}; if Temporal is running, correct temporal.hostPort (TEMPORAL_ADDRESS) to the frontend's "
        "gRPC port, usually 7233",
    )


def handshake_closed(target: Target) -> TemporalUnreachable:
    return unreachable(
        target,
        "the server accepts connections but closes them during the TLS handshake: Temporal may be down behind a proxy",
        f"{CHECK_BEHIND_PROXY}; if Temporal is running, look at its log, and check that the port of temporal.hostPort "
        "speaks TLS",
    )


def closed_after_handshake(target: Target) -> TemporalUnreachable:
    if target.has_certificate:
        perhaps, to_check = "rejects the client certificate", "accepts the client certificate (temporal.tls.certFile)"
    else:
        perhaps, to_check = "requires a client certificate", "works without a client certificate"
    return unreachable(
        target,
        "the server accepts connections but closes them after the TLS handshake: Temporal may be down behind a proxy, "
        f"or the server {perhaps} without saying so",
        f"{CHECK_BEHIND_PROXY}; if Temporal is running, look at its log, and check that it {to_check}",
    )


def proxy_answered(target: Target, reason: str) -> TemporalUnreachable:
    return unreachable(
        target,
        f"a proxy or another server answered instead of Temporal: {reason}",
        f"{CHECK_BEHIND_PROXY}, and look at the log of the proxy; if there is none, correct temporal.hostPort "
        "(TEMPORAL_ADDRESS)",
    )


def other_server(target: Target, reason: str) -> TemporalUnreachable:
    return unreachable(
        target,
        f"the server on that port is not Temporal's frontend: {reason}",
        "correct temporal.hostPort (TEMPORAL_ADDRESS) to the frontend's gRPC port, usually 7233, not the Web UI's port",
    )


def tls_off_locally(target: Target) -> TemporalUnreachable:
    return unreachable(
        target,
        "the server requires TLS, and TLS is off in our settings",
        "set temporal.tls.enabled: true (TEMPORAL_TLS=true), and temporal.tls.caFile for an authority of your own",
    )


def tls_off_at_server(target: Target, reason: str) -> TemporalUnreachable:
    because = "an API key is set" if target.has_api_key else "temporal.tls turns it on"
    return unreachable(
        target,
        f"TLS is on in our settings because {because}, and the server does not speak it: {reason}",
        "correct temporal.hostPort, or turn TLS off: temporal.tls.enabled: false",
    )


def tls_fails(target: Target, reason: str) -> TemporalUnreachable:
    return unreachable(
        target,
        f"the TLS handshake failed: {reason}",
        "compare temporal.tls with what the server requires (versions, ciphers, certificates); its log says more",
    )


def unknown_authority(target: Target, reason: str) -> TemporalUnreachable:
    has_authority = target.tls is not None and target.tls.server_root_ca_cert is not None
    return unreachable(
        target,
        f"the server's certificate is not signed by a trusted authority: {reason}",
        f"{'correct' if has_authority else 'set'} temporal.tls.caFile: the certificate of the authority that signed it",
    )


def wrong_name(target: Target, reason: str) -> TemporalUnreachable:
    return unreachable(
        target,
        f"the server's certificate is not for {target.server_name}: {reason}",
        "correct temporal.tls.serverName (a name that is in the certificate) or temporal.hostPort",
    )


def server_expired(target: Target, reason: str) -> TemporalUnreachable:
    return unreachable(
        target,
        f"the server's certificate is not valid at this time: {reason}",
        "renew the certificate of the Temporal server; if it is still valid, correct this machine's clock",
    )


def bad_server_certificate(target: Target, reason: str) -> TemporalUnreachable:
    return unreachable(
        target,
        f"the server's certificate was not accepted: {reason}",
        "correct temporal.tls.caFile (the authority that signed it) or temporal.tls.serverName (the name in it)",
    )


def certificate_missing(target: Target, reason: str) -> TemporalDenied:
    return access_denied(
        target,
        f"Temporal requires a client certificate, and none is configured: {reason}",
        "set temporal.tls.certFile and temporal.tls.keyFile",
    )


def client_expired(target: Target, end: datetime) -> TemporalDenied:
    return access_denied(
        target,
        f"the client certificate (temporal.tls.certFile) expired on {end:%Y-%m-%d}",
        "renew it, and restart the API and the workers",
    )


def client_not_yet_valid(target: Target, begin: datetime) -> TemporalDenied:
    return access_denied(
        target,
        f"the client certificate (temporal.tls.certFile) is not valid before {begin:%Y-%m-%d %H:%M} UTC",
        "correct this machine's clock, or wait",
    )


def certificate_denied(target: Target, reason: str) -> TemporalDenied:
    return access_denied(
        target,
        f"Temporal denied the client certificate (temporal.tls.certFile): {reason}",
        f"use one that is signed by an authority the server trusts and that may use the namespace {target.namespace}",
    )


def credentials_missing(target: Target, reason: str) -> TemporalDenied:
    return access_denied(
        target,
        f"Temporal requires credentials, and none are configured: {reason}",
        "set temporal.apiKey (TEMPORAL_API_KEY), or a client certificate: temporal.tls.certFile and keyFile",
    )


def api_key_denied(target: Target, reason: str) -> TemporalDenied:
    return access_denied(
        target,
        f"Temporal denied the API key (temporal.apiKey): {reason}",
        f"renew temporal.apiKey (TEMPORAL_API_KEY), and check that it may use the namespace {target.namespace}",
    )


def namespace_missing(target: Target, reason: str) -> TemporalDenied:
    return access_denied(
        target,
        f"the namespace {target.namespace} does not exist: {reason}",
        "correct temporal.namespace (TEMPORAL_NAMESPACE), or create it: "
        f"temporal operator namespace create --namespace {target.namespace}",
    )


def call_denied(target: Target, reason: str) -> TemporalDenied:
    return access_denied(
        target,
        f"Temporal rejected the call: {reason}",
        "look at the log of the Temporal server; `trenova doctor` checks more",
    )


def call_fails(target: Target, reason: str) -> TemporalUnreachable:
    return unreachable(
        target,
        f"host name, port, TLS and HTTP/2 work, but the call failed: {reason}",
        "look at the log and the load of the Temporal server; `trenova doctor` checks more",
    )
