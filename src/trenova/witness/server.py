"""The witness as a process: `POST /add-checkpoint`."""

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
from litestar import Litestar, Request, Response, post

from trenova.errors import InvalidConfiguration, VerificationError
from trenova.ledger import note as notes
from trenova.ledger import signing, submission
from trenova.ledger.note import ED25519, VerifierKey
from trenova.ledger.signing import Signer
from trenova.process import on_stop_signal, run_to_end
from trenova.witness.judgement import Answer, Claim, claim, disagreement, refusal
from trenova.witness.memory import Memory

log = structlog.get_logger()

MAX_BODY_BYTES = 256 << 10  # a note with the 16 largest signatures, and a proof


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """Cosigns with `signer` for `logs`, and remembers in `memory`. `clock` gives seconds since 1970."""

    signer: Signer
    logs: tuple[VerifierKey, ...]
    memory: Memory
    clock: Callable[[], float] = time.time

    def add_checkpoint(self, body: bytes) -> Answer:
        """Cosign what continues the last checkpoint of its log, and refuse all else. Durable when it returns."""
        try:
            made = claim(submission.parse(body), self.logs)
        except VerificationError as error:
            return refusal(HTTPStatus.BAD_REQUEST, error.message)
        if isinstance(made, Answer):
            return made
        with self.memory.locked() as memory:
            if refused := disagreement(made, memory.last(made.head.origin)):
                log.warning("checkpoint refused", **described(made), status=refused.status.value)
                return refused
            memory.remember(made.head, made.note.encode())
        # Dying here: it is remembered, and nobody has the cosignature. The log asks again from the size remembered.
        cosigned = notes.parse(signing.cosign(made.note, self.signer, timestamp=int(self.clock())))
        log.info("checkpoint cosigned", **described(made))
        return Answer(status=HTTPStatus.OK, body=cosigned.signatures[-1].line.encode())


def described(made: Claim) -> dict[str, str | int]:
    return {"origin": made.head.origin, "old_size": made.old, "size": made.head.size, "root": made.head.root.hex()}


def create(witness: Witness) -> Litestar:
    """The ASGI application."""

    @post(submission.PATH, status_code=HTTPStatus.OK)
    async def add_checkpoint(request: Request[Any, Any, Any]) -> Response[bytes]:
        answer = await asyncio.to_thread(witness.add_checkpoint, await request.body())
        # As a header: of a media type that begins with `text/` Litestar makes another, with a charset.
        return Response(answer.body, status_code=answer.status, headers={"content-type": answer.media_type})

    return Litestar([add_checkpoint], openapi_config=None, request_max_body_size=MAX_BODY_BYTES, logging_config=None)


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
    memory = Memory(folder)
    keys = log_keys(logs)
    run_to_end(serve(Witness(signer=memory.open(name), logs=keys, memory=memory), host, port))


async def serve(witness: Witness, host: str, port: int) -> None:
    config = uvicorn.Config(
        create(witness), host=host, port=port, log_config=None, access_log=False, server_header=False
    )
    log.info("witness starting", url=f"http://{host}:{port}", key=witness.signer.key.text, pid=os.getpid())
    # After a good end uvicorn raises the signal again; taken here, the exit code is 0.
    on_stop_signal(lambda: log.debug("signal received"))
    await uvicorn.Server(config).serve()
