"""The steps of a connection to Temporal: host name, port, TLS, HTTP/2.

Each step connects anew, sends no credentials but the client certificate, and returns what it learned or raises the
error of `faults` for what is wrong. The SDK often reports the last thing that went wrong ("broken pipe"), not the
first.
"""

import asyncio
import os
import socket
import ssl
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime

from temporalio.service import TLSConfig

from trenova.errors import TemporalDenied, TemporalUnreachable
from trenova.runtime.connection import faults
from trenova.runtime.connection.certificates import first_certificate
from trenova.runtime.connection.own_time import own_timeout
from trenova.runtime.connection.target import Target

# A server that speaks another protocol answers at once. Several steps in a row must leave `trenova doctor` time.
LIMIT_S = 2.5
# HTTP/2's connection preface (RFC 9113 §3.4) with empty settings. A server answers with its own settings.
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("000000040000000000")
SETTINGS, TYPE_AT = 4, 3
HEAD_BYTES = 60
LISTEN_S = 1.0
NO_TLS = ("WRONG_VERSION_NUMBER", "UNEXPECTED_MESSAGE", "RECORD_LAYER_FAILURE", "HTTP_REQUEST")
HUNG_UP = (ssl.SSLEOFError, ConnectionResetError, ConnectionAbortedError, BrokenPipeError)
# X509_V_ERR_… of OpenSSL.
NOT_YET_VALID, EXPIRED, NAME_MISMATCH, ADDRESS_MISMATCH = 9, 10, 62, 64
AUTHORITY_UNKNOWN = {2, 18, 19, 20, 21}

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def resolve_host(target: Target) -> list[str]:
    """The addresses of the host."""
    try:
        async with own_timeout(LIMIT_S):
            addresses = await asyncio.get_running_loop().getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except TimeoutError:
        raise faults.name_unknown(target, f"no answer within {LIMIT_S:g} s") from None
    except (OSError, UnicodeError) as error:
        raise faults.name_unknown(target, reason_of(error)) from None
    return list(dict.fromkeys(str(address[0]) for *_, address in addresses))


async def check_port(target: Target) -> None:
    try:
        async with open_connection(target, None):
            pass
    except TimeoutError:
        raise faults.no_route(target, f"none within {LIMIT_S:g} s") from None
    except OSError as error:
        raise connect_fault(target, error) from None


async def check_tls(target: Target) -> datetime | None:
    """When the server's certificate expires; None where TLS is off at both ends."""
    if target.tls is None:
        if not speaks_http2(await plain_answer(target)) and await speaks_tls(target):
            raise faults.tls_off_locally(target)
        return None
    try:
        async with open_connection(target, tls_context(target.tls)) as (_, writer):
            certificate = writer.get_extra_info("peercert")
    except TimeoutError:
        raise faults.no_reply(target, LIMIT_S) from None
    except ssl.SSLCertVerificationError as error:
        raise verification_fault(target, error) from None
    except HUNG_UP:
        raise faults.handshake_closed(target) from None
    except ssl.SSLError as error:
        raise handshake_fault(target, error) from None
    except OSError as error:
        raise connect_fault(target, error) from None
    check_own_certificate(target)
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(certificate["notAfter"]), UTC)


async def plain_answer(target: Target) -> bytes:
    """The server's answer to HTTP/2's preface without TLS; empty if it hangs up."""
    try:
        return await exchange_preface(target, None)
    except TimeoutError:
        raise faults.no_reply(target, LIMIT_S) from None
    except OSError:
        return b""


async def check_http2(target: Target) -> None:
    """Check that the server speaks HTTP/2, as gRPC does. With TLS 1.3 a denied certificate shows only here."""
    try:
        head = await exchange_preface(target, None if target.tls is None else tls_context(target.tls))
    except TimeoutError:
        raise faults.no_reply(target, LIMIT_S) from None
    except HUNG_UP:
        raise hang_up_fault(target) from None
    except ssl.SSLError as error:
        raise handshake_fault(target, error) from None
    except OSError as error:
        raise connect_fault(target, error) from None
    if not head:
        raise hang_up_fault(target)
    if not speaks_http2(head):
        raise faults.other_server(target, f"it answers {quote_first_line(head)}")


async def exchange_preface(target: Target, context: ssl.SSLContext | None) -> bytes:
    async with open_connection(target, context) as (reader, writer):
        if context is not None:
            # A server that denies our certificate sends an alert and hangs up. If we write then, it resets the
            # connection, and the alert may be lost.
            with suppress(TimeoutError):
                async with own_timeout(LISTEN_S):
                    return await reader.read(HEAD_BYTES)
        writer.write(PREFACE)
        return await reader.read(HEAD_BYTES)


def speaks_http2(head: bytes) -> bool:
    return len(head) > TYPE_AT and head[TYPE_AT] == SETTINGS


def connect_fault(target: Target, error: OSError) -> Exception:
    if isinstance(error, ConnectionRefusedError):
        return faults.connection_refused(target, reason_of(error))
    return faults.no_route(target, reason_of(error))


def hang_up_fault(target: Target) -> Exception:
    """The error for a server that closes the connection silently. A proxy does so for a Temporal that is down."""
    return faults.connection_closed(target) if target.tls is None else faults.closed_after_handshake(target)


async def speaks_tls(target: Target) -> bool:
    """Whether the server speaks TLS, whatever its certificate and whatever it requires of ours."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    try:
        async with open_connection(target, context):
            return True
    except ssl.SSLError as error:
        return "ALERT" in (error.reason or "") and not is_no_tls(error)
    except OSError:  # TimeoutError included
        return False


def tls_context(tls: TLSConfig) -> ssl.SSLContext:
    """Verify as the SDK does: against the configured authority, else against those of the system."""
    authority = tls.server_root_ca_cert
    context = ssl.create_default_context(cadata=authority.decode("ascii", "ignore") if authority else None)
    # Newer Pythons reject authorities that the SDK accepts.
    context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
    context.set_alpn_protocols(["h2"])
    if tls.client_cert is not None and tls.client_private_key is not None:
        with memory_file(tls.client_cert) as certificate, memory_file(tls.client_private_key) as key:
            # Without a password argument OpenSSL would prompt for one on the terminal.
            context.load_cert_chain(certificate, key, password="")
    return context


@contextmanager
def memory_file(content: bytes) -> Iterator[str]:
    """A path from which OpenSSL can read the content. On Linux the key never reaches a disk, even after a crash."""
    if sys.platform != "linux":
        with tempfile.NamedTemporaryFile() as file:
            file.write(content)
            file.flush()
            yield file.name
        return
    descriptor = os.memfd_create("pem")
    try:
        os.write(descriptor, content)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


@asynccontextmanager
async def open_connection(target: Target, context: ssl.SSLContext | None) -> AsyncIterator[Streams]:
    """A connection for a bounded time. Raises OSError, of which ssl.SSLError and TimeoutError are subclasses."""
    name = target.server_name if context else None
    async with own_timeout(LIMIT_S):
        reader, writer = await asyncio.open_connection(target.host, target.port, ssl=context, server_hostname=name)
        try:
            yield reader, writer
        finally:
            # No orderly close: a server that does not answer would not take part in it.
            writer.transport.abort()


def verification_fault(target: Target, error: ssl.SSLCertVerificationError) -> Exception:
    match error.verify_code:
        case code if code in AUTHORITY_UNKNOWN:
            return faults.unknown_authority(target, error.verify_message)
        case code if code in {NAME_MISMATCH, ADDRESS_MISMATCH}:
            return faults.wrong_name(target, error.verify_message)
        case code if code in {EXPIRED, NOT_YET_VALID}:
            return faults.server_expired(target, error.verify_message)
        case _:
            return faults.bad_server_certificate(target, error.verify_message)


def handshake_fault(target: Target, error: ssl.SSLError) -> Exception:
    reason = reason_of(error)
    if is_no_tls(error):
        return faults.tls_off_at_server(target, reason)
    if "ALERT" in (error.reason or ""):
        return alert_fault(target, reason)
    return faults.tls_fails(target, reason)


def alert_fault(target: Target, reason: str) -> TemporalUnreachable | TemporalDenied:
    """The error for a TLS alert. A server names a certificate only if ours is not accepted or is missing."""
    alert = reason.lower().replace(" ", "").replace("_", "")
    about_certificate = "certificate" in alert or "unknownca" in alert or "accessdenied" in alert
    if target.tls is not None and about_certificate:
        check_own_certificate(target)
        if target.has_certificate:
            return faults.certificate_denied(target, reason)
        return faults.certificate_missing(target, reason)
    return faults.tls_fails(target, reason)


def is_no_tls(error: ssl.SSLError) -> bool:
    return any(word in (error.reason or "") for word in NO_TLS)


def check_own_certificate(target: Target) -> None:
    """Raise TemporalDenied for a client certificate that is not valid now. A server may just hang up on it."""
    content = target.tls and target.tls.client_cert
    certificate = first_certificate(content) if content else None
    if certificate is None:
        return
    now = datetime.now(UTC)
    if certificate.not_valid_after_utc < now:
        raise faults.client_expired(target, certificate.not_valid_after_utc)
    if certificate.not_valid_before_utc > now:
        raise faults.client_not_yet_valid(target, certificate.not_valid_before_utc)


def reason_of(error: Exception) -> str:
    """The system's message without error numbers and addresses."""
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.lower().replace("_", " ")
    if isinstance(error, socket.gaierror) or not isinstance(error, OSError):
        return str(getattr(error, "strerror", None) or error)
    return os.strerror(error.errno) if error.errno else (str(error) or type(error).__name__)


def quote_first_line(head: bytes) -> str:
    """The first line of a server's answer, with unprintable bytes replaced."""
    line = head.splitlines()[0] if head.strip() else b""
    return repr("".join(chr(byte) if chr(byte).isprintable() and byte < 127 else "." for byte in line))  # noqa: PLR2004 - ASCII
