"""The way to Temporal, step by step: name, port, TLS, server, credentials, namespace; and its clock."""

import asyncio
import socket
import ssl
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from cryptography import x509
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    DescribeNamespaceRequest,
    DescribeNamespaceResponse,
    DescribeTaskQueueRequest,
    GetClusterInfoRequest,
    GetSystemInfoRequest,
    PollWorkflowTaskQueueRequest,
)
from temporalio.client import Client
from temporalio.converter import DataConverter
from temporalio.service import RPCError, RPCStatusCode

from trenova.cli.doctor.checkup import Check
from trenova.cli.doctor.clock import judged, skew
from trenova.cli.doctor.finding import Kind, Verdict, failed, ok, unchecked, warning
from trenova.cli.doctor.scene import Scene
from trenova.cli.doctor.words import span
from trenova.config import Tls
from trenova.connection import DIAL_HINT, connect, pem, tls_of
from trenova.errors import Unavailable

DIAL = "failed to dial temporal client"
RENEW_BEFORE = timedelta(days=14)
# On a machine under load. A port that does not speak TLS says so at once.
PROBE_S = 12
RENEW = "renew temporal.apiKey (TEMPORAL_API_KEY) or the client certificate, and see that it may use the namespace"
# The first call of a connection may be refused for them as well; the SDK tells it in a text, in either of these words.
REFUSED_AT_ONCE = ("Unauthenticated", "authentication credentials", "PermissionDenied", "not have permission")
REFUSALS = {RPCStatusCode.UNAUTHENTICATED, RPCStatusCode.PERMISSION_DENIED}
# A queue of nobody's, polled for a moment: what the server then notes of the poller has the server's time.
CLOCK_QUEUE = "trenova-doctor-clock"
POLL_LIMIT = timedelta(seconds=10)
ASK_AGAIN_S = 0.05


def place(scene: Scene) -> tuple[str, int]:
    host, _, port = scene.settings.temporal.host_port.rpartition(":")
    return host.strip("[]"), int(port)


async def name(scene: Scene) -> Verdict:
    host, port = place(scene)
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        return failed(
            f"{DIAL} at {scene.settings.temporal.host_port}: the name {host} is not known here ({error.strerror})",
            "correct temporal.hostPort (or TEMPORAL_ADDRESS), or this machine's DNS",
        )
    addresses = dict.fromkeys(str(address[0]) for *_, address in found)
    return ok(f"{host} is {', '.join(addresses)}")


async def port(scene: Scene) -> Verdict:
    host, number = place(scene)
    try:
        async with asyncio.timeout(PROBE_S):
            _, writer = await asyncio.open_connection(host, number)
    except OSError as error:  # a TimeoutError is one too
        reason = error.strerror or type(error).__name__
        return failed(
            f"{DIAL} at {scene.settings.temporal.host_port}: no connection ({reason})",
            f"{DIAL_HINT}; look for a firewall between here and there",
        )
    writer.close()
    return ok(f"{scene.settings.temporal.host_port} accepts connections")


async def tls(scene: Scene) -> Verdict:
    """Whether both ends agree about TLS, and whether the certificates are good and for how long."""
    temporal = scene.settings.temporal
    wanted = tls_of(temporal.tls)
    if not (temporal.api_key if wanted is None else wanted):
        if await speaks_tls(scene, unverified()) is not None:
            return failed(
                f"{DIAL} at {temporal.host_port}: the port speaks TLS, and TLS is off here",
                "set temporal.tls.enabled: true (or TEMPORAL_TLS=true), with caFile for an authority of your own",
            )
        return ok("off, at both ends")
    try:
        expires = await speaks_tls(scene, verified(temporal.tls), temporal.tls.server_name)
    except ssl.SSLCertVerificationError as error:
        return failed(
            f"{DIAL} at {temporal.host_port}: its certificate is not good here: {error.verify_message}",
            "correct temporal.tls.caFile (who signed it) or temporal.tls.serverName (whose name is in it)",
        )
    if expires is None:
        return failed(
            f"{DIAL} at {temporal.host_port}: TLS is on here, and the port does not speak it",
            "correct temporal.hostPort, or turn it off: temporal.tls.enabled: false and no temporal.apiKey",
        )
    ends = {"the server's certificate": expires}
    if (own := pem("certFile", temporal.tls.cert_file, temporal.tls.cert_data)) is not None:
        try:
            ends["the client certificate (temporal.tls.certFile)"] = x509.load_pem_x509_certificate(
                own
            ).not_valid_after_utc
        except ValueError:
            return failed("temporal.tls.certFile holds no PEM certificate", "put the client's certificate there")
    return judged_end(ends)


def judged_end(ends: dict[str, datetime]) -> Verdict:
    what, end = min(ends.items(), key=lambda item: item[1])
    left = end - datetime.now(UTC)
    if left < timedelta(0):
        return failed(f"{what} has expired on {end:%Y-%m-%d}", "renew it, and start API and workers again")
    if left < RENEW_BEFORE:
        return warning(f"{what} expires on {end:%Y-%m-%d}, in {span(left)}", "renew it before that day")
    return ok(f"verified; the first certificate to expire does on {end:%Y-%m-%d}")


def verified(tls: Tls) -> ssl.SSLContext:
    authority = pem("caFile", tls.ca_file, tls.ca_data)
    context = ssl.create_default_context(cadata=authority.decode() if authority else None)
    if tls.cert_file is not None and tls.key_file is not None:
        context.load_cert_chain(tls.cert_file, tls.key_file)
    return context


def unverified() -> ssl.SSLContext:
    """To find out whether anybody speaks TLS there, who it is being no matter; nothing is sent."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


async def speaks_tls(scene: Scene, context: ssl.SSLContext, server_name: str | None = None) -> datetime | None:
    """When the certificate ends (the end of time where it is not verified); None where nobody speaks TLS."""
    context.set_alpn_protocols(["h2"])
    host, number = place(scene)
    try:
        async with asyncio.timeout(PROBE_S):
            _, writer = await asyncio.open_connection(host, number, ssl=context, server_hostname=server_name or host)
    except ssl.SSLCertVerificationError:
        raise
    except (OSError, TimeoutError):  # an SSLError is an OSError: what came back was no TLS
        return None
    certificate = writer.get_extra_info("peercert") or {}
    writer.close()
    if "notAfter" not in certificate:
        return datetime.max.replace(tzinfo=UTC)
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(certificate["notAfter"]), UTC)


async def dial(scene: Scene) -> Verdict:
    try:
        async with asyncio.timeout(PROBE_S):
            await connect(scene.settings.temporal, DataConverter.default)
    except TimeoutError:
        return failed(
            f"{DIAL} at {scene.settings.temporal.host_port}: it accepts connections, and does not answer",
            "see that it is Temporal's frontend (gRPC) that listens there, and look at its log and its load",
        )
    except Unavailable as error:
        if any(word in error.message for word in REFUSED_AT_ONCE):
            return failed(error.message, RENEW)
        raise
    return ok("answers")


async def server(scene: Scene) -> Verdict:
    """Its version, and that it can do what this program asks of it."""
    info = await scene.client.workflow_service.get_system_info(GetSystemInfoRequest())
    missing = [
        word
        for word, there in (
            ("schedules", info.capabilities.supports_schedules),
            ("encoded failures", info.capabilities.encoded_failure_attributes),
        )
        if not there
    ]
    if missing:
        return failed(
            f"server {info.server_version} lacks {' and '.join(missing)}",
            "update the Temporal server, a minor at a time",
        )
    return ok(f"server {info.server_version}{await kept_in(scene)}, with schedules and encoded failures")


async def kept_in(scene: Scene) -> str:
    try:
        cluster = await scene.client.workflow_service.get_cluster_info(GetClusterInfoRequest())
    except RPCError:
        return ""  # not for everybody's eyes, as on Temporal Cloud
    return f" on {cluster.persistence_store}" if cluster.persistence_store else ""


async def credentials(scene: Scene) -> Verdict:
    temporal = scene.settings.temporal
    try:
        await described(scene)
    except RPCError as error:
        if error.status in REFUSALS:
            return refused(error)
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
    if temporal.api_key:
        return ok("the API key is taken")
    given = temporal.tls.cert_file or temporal.tls.cert_data
    return ok("the client certificate is taken" if given else "none given, none asked for")


def refused(error: RPCError) -> Verdict:
    return failed(
        f"Temporal refuses these credentials ({error.status.name}: {error.message})",
        RENEW,
    )


async def described(scene: Scene) -> DescribeNamespaceResponse:
    asked = DescribeNamespaceRequest(namespace=scene.settings.temporal.namespace)
    return await scene.client.workflow_service.describe_namespace(asked)


async def namespace(scene: Scene) -> Verdict:
    wanted = scene.settings.temporal.namespace
    try:
        found = await described(scene)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return failed(
            f"there is no namespace {wanted} at {scene.settings.temporal.host_port}",
            f"correct temporal.namespace, or make it: temporal operator namespace create --namespace {wanted}",
        )
    kept = found.config.workflow_execution_retention_ttl.ToTimedelta()
    return ok(f"{wanted}, which keeps closed workflows for {span(kept)}")


async def clock(scene: Scene) -> Verdict:
    try:
        apart = await apart_from(scene.client, lambda: datetime.now(UTC))
    except TimeoutError:
        return unchecked("Temporal has not listed a poll, which is how it tells its time")
    except RPCError as error:
        if error.status in REFUSALS:
            return unchecked("these credentials may not poll a task queue, which is how Temporal tells its time")
        raise
    return judged("Temporal's", apart)


async def apart_from(client: Client, now: Callable[[], datetime]) -> timedelta:
    """How far Temporal's clock is ahead of this machine's, as far as can be told: zero for less than the answer took.

    It tells no time; so poll a queue of nobody's, and see when the server says that this was. Raises TimeoutError where
    it does not say it.
    """
    queue, identity = TaskQueue(name=CLOCK_QUEUE), str(uuid.uuid4())
    poll = PollWorkflowTaskQueueRequest(namespace=client.namespace, task_queue=queue, identity=identity)
    before = now()
    polling = asyncio.ensure_future(client.workflow_service.poll_workflow_task_queue(poll, timeout=POLL_LIMIT))
    try:
        async with asyncio.timeout(POLL_LIMIT.total_seconds()):
            while True:
                asked = DescribeTaskQueueRequest(namespace=client.namespace, task_queue=queue)
                answer = await client.workflow_service.describe_task_queue(asked)
                for poller in answer.pollers:
                    if poller.identity == identity:
                        return skew(poller.last_access_time.ToDatetime(tzinfo=UTC), before, now())
                if polling.done():
                    polling.result()
                await asyncio.sleep(ASK_AGAIN_S)
    finally:
        polling.cancel()
        await asyncio.gather(polling, return_exceptions=True)


CHECKS = (
    Check("temporal name", Kind.TEMPORAL, name),
    Check("temporal port", Kind.TEMPORAL, port, ("temporal name",)),
    Check("temporal TLS", Kind.TEMPORAL, tls, ("temporal port",)),
    Check("temporal dial", Kind.TEMPORAL, dial, ("temporal TLS",)),
    Check("temporal server", Kind.TEMPORAL, server, ("temporal dial",)),
    Check("temporal credentials", Kind.TEMPORAL, credentials, ("temporal dial",)),
    Check("temporal namespace", Kind.TEMPORAL, namespace, ("temporal credentials",)),
    Check("temporal clock", Kind.MACHINE, clock, ("temporal namespace",)),
)
