"""What each failure on the way to Temporal is called, and the next step that fits it. One function for each cause."""

from datetime import datetime

from trenova.errors import TemporalDenied, TemporalUnreachable
from trenova.runtime.connection.target import Target

# The words of the documented set-up, which people search for.
DIAL = "failed to dial temporal client"
START = "start Temporal (`make dev`, or `temporal server start-dev`), or correct temporal.hostPort (TEMPORAL_ADDRESS)"

BEHIND = "see that Temporal runs: a proxy or a load balancer in front of one that is down goes on accepting connections"


def unreachable(target: Target, why: str, hint: str) -> TemporalUnreachable:
    return TemporalUnreachable(f"{DIAL} at {target.address}: {why}", hint=hint)


def refused(target: Target, why: str, hint: str) -> TemporalDenied:
    return TemporalDenied(f"{DIAL} at {target.address}: {why}", hint=hint)


def name_unknown(target: Target, reason: str) -> TemporalUnreachable:
    return unreachable(
        target,
        f"the name {target.host} is unknown here: {reason}",
        "correct temporal.hostPort (TEMPORAL_ADDRESS), or this machine's DNS",
    )


def nobody_listens(target: Target, reason: str) -> TemporalUnreachable:
    return unreachable(target, f"no connection: {reason}", START)


def no_route(target: Target, reason: str) -> TemporalUnreachable:
    return unreachable(
        target,
        f"no connection: {reason}",
        "look for a firewall or a route that swallows packets between here and there, or correct temporal.hostPort",
    )


def silent(target: Target, seconds: float) -> TemporalUnreachable:
    return unreachable(
        target,
        f"it accepts connections, and does not answer within {seconds:g} s",
        "see that it is Temporal's frontend (gRPC) that listens there, and look at its log and its load",
    )


def no_answer(target: Target, seconds: float) -> TemporalUnreachable:
    return unreachable(
        target,
        f"no answer within {seconds:g} s",
        "look at the log and the load of the Temporal server, and for a firewall or a route that swallows packets",
    )


def closed(target: Target) -> TemporalUnreachable:
    return unreachable(
        target,
        "it accepts connections, and closes them at once: what is behind it may be down, or is not Temporal's frontend",
        f"{BEHIND}; if it runs, correct temporal.hostPort (TEMPORAL_ADDRESS): the frontend's gRPC port, 7233 as a rule",
    )


def handshake_closed(target: Target) -> TemporalUnreachable:
    return unreachable(
        target,
        "it accepts connections, and closes them during the TLS handshake: what is behind it may be down",
        f"{BEHIND}; if it runs, look at its log, and see that the port of temporal.hostPort speaks TLS",
    )


def closed_after_handshake(target: Target) -> TemporalUnreachable:
    if target.has_certificate:
        perhaps, ours = "refuses the client certificate", "that it takes the client certificate (temporal.tls.certFile)"
    else:
        perhaps, ours = "asks for a client certificate", "whether it asks for a client certificate"
    return unreachable(
        target,
        "it accepts connections, and closes them after the TLS handshake: what is behind it may be down, or it "
        f"{perhaps} without saying so",
        f"{BEHIND}; if it runs, look at its log, and see {ours}",
    )


def instead_of_temporal(target: Target, reason: str) -> TemporalUnreachable:
    return unreachable(
        target,
        f"a proxy or another server answers, and not Temporal: {reason}",
        f"{BEHIND}, and look at the log of the proxy; if there is none, correct temporal.hostPort (TEMPORAL_ADDRESS)",
    )


def other_server(target: Target, reason: str) -> TemporalUnreachable:
    return unreachable(
        target,
        f"what listens there is not Temporal's frontend: {reason}",
        "correct temporal.hostPort (TEMPORAL_ADDRESS): the frontend's gRPC port, 7233 as a rule, not the Web UI's",
    )


def tls_off_here(target: Target) -> TemporalUnreachable:
    return unreachable(
        target,
        "the port speaks TLS, and TLS is off here",
        "set temporal.tls.enabled: true (TEMPORAL_TLS=true), and temporal.tls.caFile for an authority of your own",
    )


def tls_off_there(target: Target, reason: str) -> TemporalUnreachable:
    because = "an API key is set" if target.has_api_key else "temporal.tls says so"
    return unreachable(
        target,
        f"TLS is on here, because {because}, and the port does not speak it: {reason}",
        "correct temporal.hostPort, or turn TLS off: temporal.tls.enabled: false",
    )


def tls_fails(target: Target, reason: str) -> TemporalUnreachable:
    return unreachable(
        target,
        f"the TLS handshake fails: {reason}",
        "compare temporal.tls with what the server asks for (versions, ciphers, certificates); its log says more",
    )


def unknown_authority(target: Target, reason: str) -> TemporalUnreachable:
    given = target.tls is not None and target.tls.server_root_ca_cert is not None
    return unreachable(
        target,
        f"no authority that is trusted here has signed the server's certificate: {reason}",
        ("correct" if given else "set") + " temporal.tls.caFile: the certificate of the authority that signed it",
    )


def wrong_name(target: Target, reason: str) -> TemporalUnreachable:
    return unreachable(
        target,
        f"the server's certificate is for another name than {target.server_name}: {reason}",
        "correct temporal.tls.serverName (a name that is in the certificate) or temporal.hostPort",
    )


def server_expired(target: Target, reason: str) -> TemporalUnreachable:
    return unreachable(
        target,
        f"the server's certificate is not good at this time: {reason}",
        "renew the certificate of the Temporal server; if it is good, this machine's clock is wrong",
    )


def bad_server_certificate(target: Target, reason: str) -> TemporalUnreachable:
    return unreachable(
        target,
        f"the server's certificate is not good here: {reason}",
        "correct temporal.tls.caFile (who signed it) or temporal.tls.serverName (whose name is in it)",
    )


def certificate_missing(target: Target, reason: str) -> TemporalDenied:
    return refused(
        target,
        f"Temporal asks for a client certificate, and none is configured: {reason}",
        "set temporal.tls.certFile and temporal.tls.keyFile",
    )


def client_expired(target: Target, end: datetime) -> TemporalDenied:
    return refused(
        target,
        f"the client certificate (temporal.tls.certFile) expired on {end:%Y-%m-%d}",
        "renew it, and start API and workers again",
    )


def client_not_yet_valid(target: Target, begin: datetime) -> TemporalDenied:
    return refused(
        target,
        f"the client certificate (temporal.tls.certFile) is not valid before {begin:%Y-%m-%d %H:%M} UTC",
        "correct this machine's clock, or wait",
    )


def certificate_refused(target: Target, reason: str) -> TemporalDenied:
    return refused(
        target,
        f"Temporal refuses the client certificate (temporal.tls.certFile): {reason}",
        f"use one that an authority of the server has signed, and that may use the namespace {target.namespace}",
    )


def credentials_missing(target: Target, reason: str) -> TemporalDenied:
    return refused(
        target,
        f"Temporal asks for credentials, and none are configured: {reason}",
        "set temporal.apiKey (TEMPORAL_API_KEY), or a client certificate: temporal.tls.certFile and keyFile",
    )


def api_key_refused(target: Target, reason: str) -> TemporalDenied:
    return refused(
        target,
        f"Temporal refuses the API key (temporal.apiKey): {reason}",
        f"renew temporal.apiKey (TEMPORAL_API_KEY), and see that it may use the namespace {target.namespace}",
    )


def namespace_missing(target: Target, reason: str) -> TemporalDenied:
    return refused(
        target,
        f"there is no namespace {target.namespace}: {reason}",
        "correct temporal.namespace (TEMPORAL_NAMESPACE), or make it: "
        f"temporal operator namespace create --namespace {target.namespace}",
    )


def call_refused(target: Target, reason: str) -> TemporalDenied:
    return refused(
        target,
        f"Temporal answers, and refuses: {reason}",
        "look at the log of the Temporal server; `trenova doctor` asks it for more",
    )


def call_fails(target: Target, reason: str) -> TemporalUnreachable:
    return unreachable(
        target,
        f"every step of the way works, and the call fails: {reason}",
        "look at the log and the load of the Temporal server; `trenova doctor` asks it for more",
    )
