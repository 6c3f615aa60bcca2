"""The way to Temporal, step by step: its name, its port, TLS, and whether gRPC is spoken there.

Each step takes the way up to there anew, sends nothing of ours, and returns what it has seen, or raises the error of
`words` for what is wrong. What the SDK tells is often the last thing that went wrong ("broken pipe"), not the first.
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
from trenova.runtime.connection import words
from trenova.runtime.connection.certificates import first_certificate
from trenova.runtime.connection.patience import within
from trenova.runtime.connection.target import Target

# Whoever does not speak what is asked says so at once. Some of these, one after the other, leave `trenova doctor` time.
LIMIT_S = 2.5
# HTTP/2's greeting (RFC 9113 §3.4): the preface and empty settings. A server answers with settings of its own.
GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("000000040000000000")
SETTINGS, TYPE_AT = 4, 3
HEAD_BYTES = 60
LISTEN_S = 1.0
NO_TLS = ("WRONG_VERSION_NUMBER", "UNEXPECTED_MESSAGE", "RECORD_LAYER_FAILURE", "HTTP_REQUEST")
HUNG_UP = (ssl.SSLEOFError, ConnectionResetError, ConnectionAbortedError, BrokenPipeError)
# X509_V_ERR_… of OpenSSL.
NOT_YET_VALID, EXPIRED, NAME_MISMATCH, ADDRESS_MISMATCH = 9, 10, 62, 64
AUTHORITY_UNKNOWN = {2, 18, 19, 20, 21}

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def name(target: Target) -> list[str]:
    """The addresses of the host."""
    try:
        async with within(LIMIT_S):
            found = await asyncio.get_running_loop().getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except TimeoutError:
        raise words.name_unknown(target, f"no answer within {LIMIT_S:g} s") from None
    except (OSError, UnicodeError) as error:
        raise words.name_unknown(target, reason_of(error)) from None
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


async def port(target: Target) -> None:
    try:
        async with connected(target, None):
            pass
    except TimeoutError:
        raise words.no_route(target, f"none within {LIMIT_S:g} s") from None
    except OSError as error:
        raise unconnected(target, error) from None


async def tls(target: Target) -> datetime | None:
    """When the server's certificate ends; None where TLS is off, at both ends."""
    if target.tls is None:
        if not speaks_http2(await first_word(target)) and await speaks_tls(target):
            raise words.tls_off_here(target)
        return None
    try:
        async with connected(target, verified(target.tls)) as (_, writer):
            certificate = writer.get_extra_info("peercert")
    except TimeoutError:
        raise words.silent(target, LIMIT_S) from None
    except ssl.SSLCertVerificationError as error:
        raise unverified_certificate(target, error) from None
    except HUNG_UP:
        raise words.handshake_closed(target) from None
    except ssl.SSLError as error:
        raise handshake_failed(target, error) from None
    except OSError as error:
        raise unconnected(target, error) from None
    check_own_certificate(target)
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(certificate["notAfter"]), UTC)


async def first_word(target: Target) -> bytes:
    """How what listens there answers to the greeting; empty where it hangs up."""
    try:
        return await greet(target, None)
    except TimeoutError:
        raise words.silent(target, LIMIT_S) from None
    except OSError:
        return b""


async def greeting(target: Target) -> None:
    """Whether what listens there speaks HTTP/2, as gRPC does. With TLS 1.3 a refused certificate shows only here."""
    try:
        head = await greet(target, None if target.tls is None else verified(target.tls))
    except TimeoutError:
        raise words.silent(target, LIMIT_S) from None
    except HUNG_UP:
        raise closed(target) from None
    except ssl.SSLError as error:
        raise handshake_failed(target, error) from None
    except OSError as error:
        raise unconnected(target, error) from None
    if not head:
        raise closed(target)
    if not speaks_http2(head):
        raise words.other_server(target, f"it answers {quoted(head)}")


async def greet(target: Target, context: ssl.SSLContext | None) -> bytes:
    async with connected(target, context) as (reader, writer):
        if context is not None:
            # A server that refuses our certificate says why and hangs up. Written to then, it resets the connection,
            # and its words may be lost.
            with suppress(TimeoutError):
                async with within(LISTEN_S):
                    return await reader.read(HEAD_BYTES)
        writer.write(GREETING)
        return await reader.read(HEAD_BYTES)


def speaks_http2(head: bytes) -> bool:
    return len(head) > TYPE_AT and head[TYPE_AT] == SETTINGS


def unconnected(target: Target, error: OSError) -> Exception:
    if isinstance(error, ConnectionRefusedError):
        return words.nobody_listens(target, reason_of(error))
    return words.no_route(target, reason_of(error))


def closed(target: Target) -> Exception:
    """Of a server that hangs up without a word. A proxy does so for a Temporal that is down: nobody has refused us."""
    return words.closed(target) if target.tls is None else words.closed_after_handshake(target)


async def speaks_tls(target: Target) -> bool:
    """Whoever it is there, and whatever certificate it wants: a server that complains in TLS speaks it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    try:
        async with connected(target, context):
            return True
    except ssl.SSLError as error:
        return "ALERT" in (error.reason or "") and not is_no_tls(error)
    except OSError:  # a TimeoutError is one too
        return False


def verified(tls: TLSConfig) -> ssl.SSLContext:
    """As the SDK verifies: the authority that is configured, else those of the system."""
    authority = tls.server_root_ca_cert
    context = ssl.create_default_context(cadata=authority.decode("ascii", "ignore") if authority else None)
    # Later Pythons refuse authorities that the SDK takes.
    context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
    context.set_alpn_protocols(["h2"])
    if tls.client_cert is not None and tls.client_private_key is not None:
        with in_memory(tls.client_cert) as certificate, in_memory(tls.client_private_key) as key:
            # Without a password of ours OpenSSL would ask the terminal for one.
            context.load_cert_chain(certificate, key, password="")
    return context


@contextmanager
def in_memory(content: bytes) -> Iterator[str]:
    """A path under which OpenSSL reads the content. On Linux no key is left on a disk, however this process dies."""
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
async def connected(target: Target, context: ssl.SSLContext | None) -> AsyncIterator[Streams]:
    """A connection for a bounded time. Raises OSError; ssl.SSLError and TimeoutError are kinds of it."""
    name = target.server_name if context else None
    async with within(LIMIT_S):
        reader, writer = await asyncio.open_connection(target.host, target.port, ssl=context, server_hostname=name)
        try:
            yield reader, writer
        finally:
            # Not awaited: a server that does not answer does not say goodbye either.
            writer.transport.abort()


def unverified_certificate(target: Target, error: ssl.SSLCertVerificationError) -> Exception:
    match error.verify_code:
        case code if code in AUTHORITY_UNKNOWN:
            return words.unknown_authority(target, error.verify_message)
        case code if code in {NAME_MISMATCH, ADDRESS_MISMATCH}:
            return words.wrong_name(target, error.verify_message)
        case code if code in {EXPIRED, NOT_YET_VALID}:
            return words.server_expired(target, error.verify_message)
        case _:
            return words.bad_server_certificate(target, error.verify_message)


def handshake_failed(target: Target, error: ssl.SSLError) -> Exception:
    reason = reason_of(error)
    if is_no_tls(error):
        return words.tls_off_there(target, reason)
    if "ALERT" in (error.reason or ""):
        return alert(target, reason)
    return words.tls_fails(target, reason)


def alert(target: Target, reason: str) -> TemporalUnreachable | TemporalDenied:
    """What a server tells in TLS's own words. It names a certificate only where ours, or none, is the trouble."""
    told = reason.lower().replace(" ", "").replace("_", "")
    about_certificate = "certificate" in told or "unknownca" in told or "accessdenied" in told
    if target.tls is not None and about_certificate:
        check_own_certificate(target)
        if target.has_certificate:
            return words.certificate_refused(target, reason)
        return words.certificate_missing(target, reason)
    return words.tls_fails(target, reason)


def is_no_tls(error: ssl.SSLError) -> bool:
    return any(word in (error.reason or "") for word in NO_TLS)


def check_own_certificate(target: Target) -> None:
    """Raise for a client certificate outside its time. A server may say no more than that it hangs up."""
    content = target.tls and target.tls.client_cert
    certificate = first_certificate(content) if content else None
    if certificate is None:
        return
    now = datetime.now(UTC)
    if certificate.not_valid_after_utc < now:
        raise words.client_expired(target, certificate.not_valid_after_utc)
    if certificate.not_valid_before_utc > now:
        raise words.client_not_yet_valid(target, certificate.not_valid_before_utc)


def reason_of(error: Exception) -> str:
    """The system's words, without numbers and addresses of ours in them."""
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.lower().replace("_", " ")
    if isinstance(error, socket.gaierror) or not isinstance(error, OSError):
        return str(getattr(error, "strerror", None) or error)
    return os.strerror(error.errno) if error.errno else (str(error) or type(error).__name__)


def quoted(head: bytes) -> str:
    """The first line of somebody else's answer, harmless."""
    line = head.splitlines()[0] if head.strip() else b""
    return repr("".join(chr(byte) if chr(byte).isprintable() and byte < 127 else "." for byte in line))  # noqa: PLR2004 - ASCII
