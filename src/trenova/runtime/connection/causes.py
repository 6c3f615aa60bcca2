"""From an error of the SDK to its cause: Temporal's own answer if there is one, else the first step that fails."""

import asyncio
import re

from temporalio.api.errordetails.v1 import NamespaceNotFoundFailure
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from trenova.errors import TemporalDenied, TemporalUnreachable
from trenova.runtime.connection import faults, steps
from trenova.runtime.connection.target import Target

ConnectionFault = TemporalUnreachable | TemporalDenied

# The text in which the SDK reports the calls that it makes itself: the first of a connection, and a worker's first.
SDK_CALL = re.compile(r'Status \{ code: (\w+), message: "(.*?)(?<!\\)"')
NO_NAMESPACE = NamespaceNotFoundFailure.DESCRIPTOR.full_name
ALERT = re.compile(r"received fatal alert: (\w+)")
# Alerts about our certificate: a server sends none about its own.
ABOUT_CERTIFICATE = re.compile(r"received fatal alert: (\w*Certificate\w*|UnknownCA|AccessDenied)")
BAD_CERTIFICATE = re.compile(r"invalid peer certificate: (\w+)|InvalidCertificate\((\w+)")
# How gRPC reports the answer of an HTTP server or proxy.
FROM_HTTP = re.compile(r"mapped from HTTP status code|invalid compression flag|invalid content-type", re.IGNORECASE)
HTTP_STATUS = re.compile(r"(?:mapped from HTTP status code|receiving response with status:) (\d+)")
# Sent by proxies in front of Temporal. Any other status comes from a server that does not know the call.
PROXY_STATUSES = {"401", "403", "429", "502", "503", "504"}
STATUS = {status.name.replace("_", "").lower(): status for status in RPCStatusCode}
UNAUTHORIZED = {RPCStatusCode.UNAUTHENTICATED, RPCStatusCode.PERMISSION_DENIED}
# Temporal's own answers to the call. Any other status may come from something in between.
ANSWER_STATUSES = {RPCStatusCode.INVALID_ARGUMENT, RPCStatusCode.FAILED_PRECONDITION, RPCStatusCode.NOT_FOUND}
MAX_REASON_CHARS = 200
# For all steps together; each step has its own limit, too.
LIMIT_S = 25.0


async def explain(client: Client, error: Exception, *, limit_s: float = LIMIT_S) -> ConnectionFault:
    """Why the client's call failed with this error of the SDK (RPCError, RuntimeError or TimeoutError)."""
    target = Target.of(client)
    status, message = answer_of(error)
    if status is not None and (cause := cause_of_answer(target, status, message, error)) is not None:
        return cause
    try:
        async with asyncio.timeout(limit_s):
            await check_steps(target)
    except TimeoutError:
        return faults.no_answer(target, limit_s)
    except TemporalDenied as cause:
        return cause
    except TemporalUnreachable as cause:
        # An alert that only the SDK received is more precise.
        return (cause_of_alert(target, message) if ABOUT_CERTIFICATE.search(message) else None) or cause
    return cause_from_sdk(target, message)


async def check_steps(target: Target) -> None:
    """Take every step up to the first call. Raises the error of the first one that fails."""
    await steps.resolve_host(target)
    await steps.check_port(target)
    await steps.check_tls(target)
    await steps.check_http2(target)


def is_denial(error: Exception) -> bool:
    """Whether Temporal itself answered and denied access, judged by the error alone."""
    status, message = answer_of(error)
    if FROM_HTTP.search(message):
        return False
    if status is RPCStatusCode.NOT_FOUND:
        return is_about_namespace(error)
    return status in UNAUTHORIZED or bool(ABOUT_CERTIFICATE.search(str(error)))


def is_from_proxy(error: Exception) -> bool:
    """Whether a proxy or another server answered instead of Temporal."""
    return bool(FROM_HTTP.search(str(error)))


def answer_of(error: Exception) -> tuple[RPCStatusCode | None, str]:
    """The status, if an answer came back, and its message on one line."""
    message = " ".join(str(error).split())
    if isinstance(error, RPCError):
        return error.status, message
    if sdk_call := SDK_CALL.search(message):
        return STATUS.get(sdk_call[1].lower()), sdk_call[2]
    return None, message or "no answer in time"


def cause_of_answer(target: Target, status: RPCStatusCode, message: str, error: Exception) -> ConnectionFault | None:
    """The cause, if the answer reveals it; None if the steps must be checked."""
    reason = f"{status.name}: {message[:MAX_REASON_CHARS]}"
    if FROM_HTTP.search(message):
        return cause_of_http_answer(target, message, reason)
    if status in UNAUTHORIZED:
        return unauthorized_fault(target, reason)
    if is_about_namespace(error):
        return faults.namespace_missing(target, message[:MAX_REASON_CHARS])
    if status is RPCStatusCode.UNIMPLEMENTED:
        return faults.other_server(target, reason)
    return faults.call_denied(target, reason) if status in ANSWER_STATUSES else None


def cause_of_http_answer(target: Target, message: str, reason: str) -> TemporalUnreachable:
    http_status = HTTP_STATUS.search(message)
    if http_status is not None and http_status[1] in PROXY_STATUSES:
        return faults.proxy_answered(target, reason)
    return faults.other_server(target, reason)


def unauthorized_fault(target: Target, reason: str) -> TemporalDenied:
    if target.has_api_key:
        return faults.api_key_denied(target, reason)
    if target.has_certificate:
        return faults.certificate_denied(target, reason)
    return faults.credentials_missing(target, reason)


def is_about_namespace(error: Exception) -> bool:
    if not isinstance(error, RPCError):
        return NO_NAMESPACE in str(error)
    return error.status is RPCStatusCode.NOT_FOUND and any(
        detail.Is(NamespaceNotFoundFailure.DESCRIPTOR) for detail in error.grpc_status.details
    )


def cause_from_sdk(target: Target, message: str) -> ConnectionFault:
    """The cause where every step works for us: the fault has passed, or the SDK is stricter and says in what."""
    if bad_certificate := BAD_CERTIFICATE.search(message):
        kind = bad_certificate[1] or bad_certificate[2]
        if kind.startswith("NotValidForName"):
            return faults.wrong_name(target, kind)
        if kind.startswith("UnknownIssuer"):
            return faults.unknown_authority(target, kind)
        return faults.bad_server_certificate(target, kind)
    return cause_of_alert(target, message) or faults.call_fails(target, message[:MAX_REASON_CHARS])


def cause_of_alert(target: Target, message: str) -> ConnectionFault | None:
    """The cause named by a TLS alert that the SDK received; None if there was none."""
    alert = ALERT.search(message)
    if alert is None:
        return None
    try:
        return steps.alert_fault(target, alert[1])
    except TemporalDenied as cause:
        return cause
