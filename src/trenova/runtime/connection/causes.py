"""From an error of the SDK to the cause: by what Temporal itself has answered, else by walking the way there."""

import asyncio
import re

from temporalio.api.errordetails.v1 import NamespaceNotFoundFailure
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from trenova.errors import TemporalDenied, TemporalUnreachable
from trenova.runtime.connection import steps, words
from trenova.runtime.connection.target import Target

NoWay = TemporalUnreachable | TemporalDenied

# How the SDK tells of the calls that it makes itself: the first of a connection, and a worker's first.
ITS_OWN_CALL = re.compile(r'Status \{ code: (\w+), message: "(.*?)(?<!\\)"')
NO_NAMESPACE = NamespaceNotFoundFailure.DESCRIPTOR.full_name
ALERT = re.compile(r"received fatal alert: (\w+)")
# Of ours: about its own a server has nothing to tell us.
ABOUT_CERTIFICATE = re.compile(r"received fatal alert: (\w*Certificate\w*|UnknownCA|AccessDenied)")
BAD_CERTIFICATE = re.compile(r"invalid peer certificate: (\w+)|InvalidCertificate\((\w+)")
# What HTTP servers and proxies get for an answer to a gRPC call.
FROM_HTTP = re.compile(r"mapped from HTTP status code|invalid compression flag|invalid content-type", re.IGNORECASE)
HTTP_STATUS = re.compile(r"(?:mapped from HTTP status code|receiving response with status:) (\d+)")
# Of somebody who stands in front of Temporal. With others a server says that it does not know what we ask.
OF_PROXIES = {"401", "403", "429", "502", "503", "504"}
STATUS = {status.name.replace("_", "").lower(): status for status in RPCStatusCode}
UNAUTHORIZED = {RPCStatusCode.UNAUTHENTICATED, RPCStatusCode.PERMISSION_DENIED}
# Temporal has answered, and the answer is about what was asked. Of the others nobody knows who gave them.
ANSWERS = {RPCStatusCode.INVALID_ARGUMENT, RPCStatusCode.FAILED_PRECONDITION, RPCStatusCode.NOT_FOUND}
LONGEST = 200
# For the whole way, each step of which has a limit of its own.
LIMIT_S = 25.0


async def explain(client: Client, error: Exception, *, limit_s: float = LIMIT_S) -> NoWay:
    """Why the client's call has failed with this error of the SDK (RPCError, RuntimeError or TimeoutError)."""
    target = Target.of(client)
    status, message = answer_of(error)
    if status is not None and (cause := told(target, status, message, error)) is not None:
        return cause
    try:
        async with asyncio.timeout(limit_s):
            await walk(target)
    except TimeoutError:
        return words.no_answer(target, limit_s)
    except TemporalDenied as cause:
        return cause
    except TemporalUnreachable as cause:
        # What the server told the SDK counts, where it did not tell the walk.
        return (of_alert(target, message) if ABOUT_CERTIFICATE.search(message) else None) or cause
    return left(target, message)


async def walk(target: Target) -> None:
    """The whole way up to the first call. Raises what fails first."""
    await steps.name(target)
    await steps.port(target)
    await steps.tls(target)
    await steps.greeting(target)


def refuses(error: Exception) -> bool:
    """Whether Temporal itself has answered, and refused; without asking anybody."""
    status, message = answer_of(error)
    if FROM_HTTP.search(message):
        return False
    if status is RPCStatusCode.NOT_FOUND:
        return is_about_namespace(error)
    return status in UNAUTHORIZED or bool(ABOUT_CERTIFICATE.search(str(error)))


def is_from_others(error: Exception) -> bool:
    """Whether a proxy, or another server, has answered in Temporal's place, whatever it says."""
    return bool(FROM_HTTP.search(str(error)))


def answer_of(error: Exception) -> tuple[RPCStatusCode | None, str]:
    """The status that came back, if one did, and the words; on one line."""
    said = " ".join(str(error).split())
    if isinstance(error, RPCError):
        return error.status, said
    if first := ITS_OWN_CALL.search(said):
        return STATUS.get(first[1].lower()), first[2]
    return None, said or "no answer in time"


def told(target: Target, status: RPCStatusCode, message: str, error: Exception) -> NoWay | None:
    """The cause where the answer says it, or whose it is; None where the way has to be looked at."""
    reason = f"{status.name}: {message[:LONGEST]}"
    if FROM_HTTP.search(message):
        return told_by_http(target, message, reason)
    if status in UNAUTHORIZED:
        return unauthorized(target, reason)
    if is_about_namespace(error):
        return words.namespace_missing(target, message[:LONGEST])
    if status is RPCStatusCode.UNIMPLEMENTED:
        return words.other_server(target, reason)
    return words.call_refused(target, reason) if status in ANSWERS else None


def told_by_http(target: Target, message: str, reason: str) -> TemporalUnreachable:
    found = HTTP_STATUS.search(message)
    if found is not None and found[1] in OF_PROXIES:
        return words.instead_of_temporal(target, reason)
    return words.other_server(target, reason)


def unauthorized(target: Target, reason: str) -> TemporalDenied:
    if target.has_api_key:
        return words.api_key_refused(target, reason)
    if target.has_certificate:
        return words.certificate_refused(target, reason)
    return words.credentials_missing(target, reason)


def is_about_namespace(error: Exception) -> bool:
    if not isinstance(error, RPCError):
        return NO_NAMESPACE in str(error)
    return error.status is RPCStatusCode.NOT_FOUND and any(
        detail.Is(NamespaceNotFoundFailure.DESCRIPTOR) for detail in error.grpc_status.details
    )


def left(target: Target, message: str) -> NoWay:
    """Each step works for us. Either all is well again, or the SDK is stricter: then its words say in what."""
    said = message[:LONGEST]
    if found := BAD_CERTIFICATE.search(message):
        kind = found[1] or found[2]
        if kind.startswith("NotValidForName"):
            return words.wrong_name(target, kind)
        if kind.startswith("UnknownIssuer"):
            return words.unknown_authority(target, kind)
        return words.bad_server_certificate(target, kind)
    return of_alert(target, message) or words.call_fails(target, said)


def of_alert(target: Target, message: str) -> NoWay | None:
    """What a server has told the SDK in TLS's own words; None where it told nothing."""
    told_alert = ALERT.search(message)
    if told_alert is None:
        return None
    try:
        return steps.alert(target, told_alert[1])
    except TemporalDenied as cause:
        return cause
