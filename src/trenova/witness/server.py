"""The witness as a process: `POST /add-checkpoint`, and `GET /<origin hash>/checkpoint` for whoever monitors logs."""

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import structlog
import uvicorn
from litestar import Litestar, Request, Response, get, post
from litestar.exceptions import HTTPException
from litestar.params import FromPath

from trenova.errors import (
    InvalidConfiguration,
    RequestError,
    RequestTooLarge,
    RequestTooSlow,
    TrenovaError,
    VerificationError,
)
from trenova.ledger import add_checkpoint, signing
from trenova.ledger import note as notes
from trenova.ledger.note import ED25519, VerifierKey
from trenova.ledger.signing import Signer
from trenova.runtime.http.body import read_body
from trenova.runtime.http.byte_budget import ByteBudget
from trenova.runtime.http.head_requests import HeadRequests
from trenova.runtime.http.listening import listen_on
from trenova.runtime.http.request_ids import RequestIds, request_id
from trenova.runtime.http.server import server_config
from trenova.runtime.process import on_stop_signal, run_to_end
from trenova.witness import evidence
from trenova.witness.decision import (
    PLAIN,
    Answer,
    Declined,
    LastCosigned,
    VerifiedRequest,
    decide,
    error_answer,
    verify_request,
)
from trenova.witness.state import WitnessState

log = structlog.get_logger()

MAX_BODY_BYTES = 256 << 10  # a note with the 16 largest signatures, and a proof
MAX_HELD_BYTES = 8 << 20  # of all bodies at once
DRAIN_S = 5  # after SIGTERM, for requests that are being answered


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessServer:
    """Cosigns with `signer` for `logs`, and remembers in `memory`. `clock` gives seconds since 1970."""

    signer: Signer
    logs: tuple[VerifierKey, ...]
    memory: WitnessState
    clock: Callable[[], float] = time.time

    def add_checkpoint(self, body: bytes) -> Answer:
        """Cosign what continues the last checkpoint of its log, and refuse all else. Durable when it returns."""
        try:
            made = verify_request(add_checkpoint.parse(body), self.logs)
        except VerificationError as error:
            return error_answer(HTTPStatus.BAD_REQUEST, error.message)
        if isinstance(made, Answer):
            return made
        with self.memory.locked() as memory:
            remembered = memory.last(made.head.origin)
            refused = decide(made, remembered)
            cosigned = b"" if refused else signing.cosign(made.note, self.signer, timestamp=int(self.clock()))
            if refused is None:
                memory.remember(made.head, cosigned)
        # Dying here: it is remembered, and nobody has the cosignature. The log asks again from the size remembered.
        if refused is not None:
            self.keep(made, remembered, refused)
            return refused.answer
        log.info("checkpoint cosigned", **log_fields(made))
        return Answer(status=HTTPStatus.OK, body=notes.parse(cosigned).signatures[-1].line.encode())

    def keep(self, made: VerifiedRequest, remembered: LastCosigned, refused: Declined) -> None:
        """Tell of a refusal, and keep what it is evidence of. A full disk does not stand in the way of the answer."""
        fields = {**log_fields(made), "cosigned_size": remembered.size, "status": refused.answer.status.value}
        if refused.misdeed is None:
            log.info("checkpoint refused", **fields)
            return
        try:
            kept = evidence.save(self.memory.path, made, remembered, refused, self.clock())
        except OSError as error:
            log.error("evidence not kept", **fields, misdeed=refused.misdeed, error=error.strerror)  # noqa: TRY400 - the reason says all
            return
        if kept is None:
            log.error("evidence not kept", **fields, misdeed=refused.misdeed, error="there are as many files as may be")
        else:
            log.error("checkpoint refused", **fields, misdeed=refused.misdeed, evidence=str(kept))

    def latest(self, origin_hash: str) -> bytes | None:
        """The last checkpoint that was cosigned of a log, with the log's lines and ours; None when there is none.

        c2sp.org/tlog-witness, "Monitor Retrieval". The hash is the SHA-256 of the origin in lower-case hex.
        """
        kept = self.memory.latest(origin_hash)
        if kept is None:
            return None
        note, key = notes.parse(kept), self.signer.key
        if any((line.name, line.key_id) == (key.name, key.id) for line in note.signatures):
            return kept
        # Of an earlier release, which kept the note as it came. It is still the largest that was seen.
        return signing.cosign(note, self.signer, timestamp=int(self.clock()))


def log_fields(made: VerifiedRequest) -> dict[str, str | int]:
    return {"origin": made.head.origin, "old_size": made.old, "size": made.head.size, "root": made.head.root.hex()}


# Of an answer that holds only now; and of what monitors read, which pages of any site may do.
NO_STORE = {"cache-control": "no-store"}
ANY_ORIGIN = {"access-control-allow-origin": "*"}
SHORT_CACHE = {"cache-control": "max-age=5"}


def create(witness: WitnessServer) -> Litestar:
    """The ASGI application."""
    budget = ByteBudget(MAX_HELD_BYTES)

    @post(add_checkpoint.PATH, status_code=HTTPStatus.OK)
    async def answer_add_checkpoint(request: Request[Any, Any, Any]) -> Response[bytes]:
        # Whoever reaches the port may ask: what one address sends leaves room for what others do.
        address = request.client.host if request.client else ""
        with budget.reserve(("address", address)) as reservation:
            body = await read_body(request, max_bytes=MAX_BODY_BYTES, budget=budget, reservation=reservation)
            answer = await asyncio.to_thread(witness.add_checkpoint, body)
        # As a header: of a media type that begins with `text/` Litestar makes another, with a charset.
        headers = {"content-type": answer.media_type, **NO_STORE}
        return Response(answer.body, status_code=answer.status, headers=headers)

    @get("/{origin_hash:str}/checkpoint")
    async def read_checkpoint(request: Request[Any, Any, Any], origin_hash: FromPath[str]) -> Response[bytes]:
        found = await asyncio.to_thread(witness.latest, origin_hash)
        if found is None or request.scope["raw_path"] != f"/{origin_hash}/checkpoint".encode():
            headers = {"content-type": PLAIN, **NO_STORE, **ANY_ORIGIN}
            return Response(b"no checkpoint of such a log\n", status_code=HTTPStatus.NOT_FOUND, headers=headers)
        return Response(found, headers={"content-type": PLAIN, **SHORT_CACHE, **ANY_ORIGIN})

    app = Litestar(
        [answer_add_checkpoint, read_checkpoint],
        openapi_config=None,
        exception_handlers={
            HTTPException: answer_error,
            TrenovaError: answer_unreadable_body,
            Exception: answer_failure,
        },
        request_max_body_size=MAX_BODY_BYTES,
        logging_config=None,
    )
    app.asgi_handler = RequestIds(HeadRequests(app.asgi_handler))
    return app


def answer_error(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """Unknown paths, wrong methods, bodies over the limit."""
    if error.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return answer_failure(request, error)
    headers = {**(error.headers or {}), "content-type": PLAIN, **NO_STORE}
    return Response(f"{error.detail}\n".encode(), status_code=error.status_code, headers=headers)


def answer_unreadable_body(request: Request[Any, Any, Any], error: TrenovaError) -> Response[bytes]:
    """The answer to a request whose body could not be read."""
    statuses: dict[type[TrenovaError], HTTPStatus] = {
        RequestTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        RequestTooSlow: HTTPStatus.REQUEST_TIMEOUT,
    }
    if error.retryable:
        status = HTTPStatus.SERVICE_UNAVAILABLE
        log.warning("request failed", error=error.message)
    elif isinstance(error, RequestError):
        status = statuses.get(type(error), HTTPStatus.BAD_REQUEST)
    else:
        return answer_failure(request, error)
    told = f"{error.for_client.detail}\n".encode()
    return Response(told, status_code=status, headers={"content-type": PLAIN, **NO_STORE})


def answer_failure(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """A bug, or a disk that fails. The log says what."""
    log.error("request failed", method=request.method, path=request.url.path, exc_info=error)
    told = f"something failed inside this witness; its log says what: request id {request_id()}\n".encode()
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    return Response(told, status_code=status, headers={"content-type": PLAIN, **NO_STORE})


def log_keys(texts: Sequence[str]) -> tuple[VerifierKey, ...]:
    """The keys of logs as they were given. Raises InvalidConfiguration for what is no key of a log."""
    found, problems = [], []
    for text in texts:
        try:
            key = notes.parse_key(text)
        except VerificationError as error:
            problems.append(f"log {text:.80}: {error.message}")
            continue
        found.append(key)
        if key.algorithm != ED25519:
            problems.append(f"log {key.name}: a key of a witness (type 4), expected one of a log (type 1)")
    if problems:
        raise InvalidConfiguration(problems, hint="`trenova keys public` prints the key that a witness needs")
    return tuple(found)


def run(name: str, folder: Path, logs: Sequence[str], *, host: str, port: int) -> None:
    """Serve until SIGTERM or Ctrl-C."""
    memory = WitnessState(folder)
    keys = log_keys(logs)
    run_to_end(serve(WitnessServer(signer=memory.open(name), logs=keys, memory=memory), host, port))


async def serve(witness: WitnessServer, host: str, port: int) -> None:
    config = server_config(create(witness), drain_s=DRAIN_S)
    with listen_on(host, port, setting="--port") as sockets:
        log.info("witness starting", url=f"http://{host}:{port}", key=witness.signer.key.text, pid=os.getpid())
        # After a good end uvicorn raises the signal again; taken here, the exit code is 0.
        on_stop_signal(lambda: log.debug("signal received"))
        await uvicorn.Server(config).serve(sockets)
