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
    DeclinedRequest,
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
    """Cosigns with `signer` for `logs`, and stores what it cosigned in `state`. `clock` returns seconds since 1970."""

    signer: Signer
    logs: tuple[VerifierKey, ...]
    state: WitnessState
    clock: Callable[[], float] = time.time

    def add_checkpoint(self, body: bytes) -> Answer:
        """Cosign a checkpoint that continues the last one of its log; decline any other. Durable when it returns."""
        try:
            request = verify_request(add_checkpoint.parse(body), self.logs)
        except VerificationError as error:
            return error_answer(HTTPStatus.BAD_REQUEST, error.message)
        if isinstance(request, Answer):
            return request
        with self.state.lock() as state:
            last = state.last(request.head.origin)
            declined = decide(request, last)
            cosigned = b"" if declined else signing.cosign(request.note, self.signer, timestamp=int(self.clock()))
            if declined is None:
                state.remember(request.head, cosigned)
        # Dying here: the checkpoint is stored, and the log lacks the cosignature. It submits again from that size.
        if declined is not None:
            self.record_declined(request, last, declined)
            return declined.answer
        log.info("checkpoint cosigned", **log_fields(request))
        return Answer(status=HTTPStatus.OK, body=notes.parse(cosigned).signatures[-1].line.encode())

    def record_declined(self, request: VerifiedRequest, remembered: LastCosigned, declined: DeclinedRequest) -> None:
        """Log a declined request, and save it if it is evidence. A full disk does not prevent the answer."""
        fields = {**log_fields(request), "cosigned_size": remembered.size, "status": declined.answer.status.value}
        if declined.misdeed is None:
            log.info("checkpoint declined", **fields)
            return
        try:
            file = evidence.save(self.state.path, request, remembered, declined, self.clock())
        except OSError as error:
            log.error("evidence not saved", **fields, misdeed=declined.misdeed, error=error.strerror)  # noqa: TRY400 - the reason says all
            return
        if file is None:
            log.error(
                "evidence not saved", **fields, misdeed=declined.misdeed, error="the limit of evidence files is reached"
            )
        else:
            log.error("checkpoint declined", **fields, misdeed=declined.misdeed, evidence=str(file))

    def latest(self, origin_hash: str) -> bytes | None:
        """The last cosigned checkpoint of a log, with the log's lines and ours; None if there is none.

        c2sp.org/tlog-witness, "Monitor Retrieval". The hash is the SHA-256 of the origin in lower-case hex.
        """
        message = self.state.latest(origin_hash)
        if message is None:
            return None
        note, key = notes.parse(message), self.signer.key
        if any((line.name, line.key_id) == (key.name, key.id) for line in note.signatures):
            return message
        # From an earlier release, which stored the note without our line. It is still the newest cosigned one.
        return signing.cosign(note, self.signer, timestamp=int(self.clock()))


def log_fields(request: VerifiedRequest) -> dict[str, str | int]:
    return {
        "origin": request.head.origin,
        "old_size": request.old,
        "size": request.head.size,
        "root": request.head.root.hex(),
    }


# For answers that are valid only now; for pages of any site, so that monitors can read checkpoints.
NO_STORE = {"cache-control": "no-store"}
ANY_ORIGIN = {"access-control-allow-origin": "*"}
SHORT_CACHE = {"cache-control": "max-age=5"}


def create(witness: WitnessServer) -> Litestar:
    """The ASGI application."""
    budget = ByteBudget(MAX_HELD_BYTES)

    @post(add_checkpoint.PATH, status_code=HTTPStatus.OK)
    async def answer_add_checkpoint(request: Request[Any, Any, Any]) -> Response[bytes]:
        # Anyone who reaches the port may send requests: one address must leave room for others.
        address = request.client.host if request.client else ""
        with budget.reserve(("address", address)) as reservation:
            body = await read_body(request, max_bytes=MAX_BODY_BYTES, budget=budget, reservation=reservation)
            answer = await asyncio.to_thread(witness.add_checkpoint, body)
        # As a header: Litestar would add a charset to a media type that begins with `text/`.
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
    body = f"{error.for_client.detail}\n".encode()
    return Response(body, status_code=status, headers={"content-type": PLAIN, **NO_STORE})


def answer_failure(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """The answer to a bug or a failing disk. The log has the details."""
    log.error("request failed", method=request.method, path=request.url.path, exc_info=error)
    body = f"an error inside this witness; its log has the details: request id {request_id()}\n".encode()
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    return Response(body, status_code=status, headers={"content-type": PLAIN, **NO_STORE})


def log_keys(texts: Sequence[str]) -> tuple[VerifierKey, ...]:
    """The keys of logs. Raises InvalidConfiguration for any text that is not a key of a log."""
    keys, problems = [], []
    for text in texts:
        try:
            key = notes.parse_key(text)
        except VerificationError as error:
            problems.append(f"log {text:.80}: {error.message}")
            continue
        keys.append(key)
        if key.algorithm != ED25519:
            problems.append(f"log {key.name}: a key of a witness (type 4), expected one of a log (type 1)")
    if problems:
        raise InvalidConfiguration(problems, hint="`trenova keys public` prints the key that a witness needs")
    return tuple(keys)


def run(name: str, folder: Path, logs: Sequence[str], *, host: str, port: int) -> None:
    """Serve until SIGTERM or Ctrl-C."""
    state = WitnessState(folder)
    keys = log_keys(logs)
    run_to_end(serve(WitnessServer(signer=state.open(name), logs=keys, state=state), host, port))


async def serve(witness: WitnessServer, host: str, port: int) -> None:
    config = server_config(create(witness), drain_s=DRAIN_S)
    with listen_on(host, port, setting="--port") as sockets:
        log.info("witness starting", url=f"http://{host}:{port}", key=witness.signer.key.text, pid=os.getpid())
        # After a clean stop uvicorn raises the signal again; with this handler the exit code is 0.
        on_stop_signal(lambda: log.debug("signal received"))
        await uvicorn.Server(config).serve(sockets)
