"""Our witness over HTTP, as c2sp.org/tlog-witness has it, with trees made here."""

from collections.abc import AsyncIterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from threading import Barrier, Thread

import httpx
import pytest

from conftest import GENEROUS_S
from contract.publishing.conftest import Stand, stand
from examples import SIGNER
from trenova.errors import InvalidConfiguration
from trenova.ledger import note as notes
from trenova.ledger import prove, signing, tiles, tree, verify
from trenova.ledger.log_signer import LogSigner
from trenova.ledger.signing import Signer
from trenova.ledger.submission import MAX_PROOF_LINES, Submission
from trenova.witness import server
from trenova.witness.memory import KEY, MEMORY, Memory

TENANT = "acme"
LEAVES = [sha256(bytes([number])).digest() for number in range(40)]
NAME = "witness.example.com/w1"


def submission(old: int, size: int, *, signer: LogSigner = SIGNER, leaves: list[bytes] = LEAVES) -> Submission:
    note = signer.sign(TENANT, size=size, root=tree.root_of(leaves[:size]))
    read = tiles.reader({(0, 0): b"".join(leaves)})
    path = prove.consistency(old, size, read) if old <= size else ()
    return Submission(old=old, path=path, note=note)


@pytest.fixture
def witness(tmp_path: Path) -> Stand:
    return stand(tmp_path, NAME, SIGNER)


@pytest.fixture
async def http(witness: Stand) -> AsyncIterator[httpx.AsyncClient]:
    async with witness.serving(), httpx.AsyncClient(base_url=witness.url, timeout=GENEROUS_S) as client:
        yield client


async def send(http: httpx.AsyncClient, sent: Submission | bytes) -> httpx.Response:
    return await http.post("/add-checkpoint", content=sent if isinstance(sent, bytes) else sent.encode())


async def test_a_growing_log_is_cosigned_with_the_time(http: httpx.AsyncClient, witness: Stand) -> None:
    key = witness.service.signer.key
    for old, size in ((0, 1), (1, 5), (5, 5), (5, 32), (32, 40)):
        sent = submission(old, size)
        answer = await send(http, sent)
        assert answer.status_code == 200, answer.text
        note = notes.parse(sent.note + answer.content)
        assert verify.signatures(note, keys=[key], check=signing.check) == (key,)
        assert abs(note.signatures[-1].timestamp - witness.service.clock()) < GENEROUS_S


async def test_another_old_size_is_answered_with_the_one_that_is_remembered(http: httpx.AsyncClient) -> None:
    await send(http, submission(0, 7))
    for sent in (submission(0, 40), submission(5, 40), submission(8, 40), submission(0, 5), submission(5, 5)):
        answer = await send(http, sent)
        assert (answer.status_code, answer.content) == (409, b"7\n")
        assert answer.headers["content-type"] == "text/x.tlog.size"


async def test_another_history_is_never_cosigned(http: httpx.AsyncClient) -> None:
    await send(http, submission(0, 7))
    forged = [LEAVES[0], bytes(32), *LEAVES[2:]]
    assert (await send(http, submission(7, 20, leaves=forged))).status_code == 422
    assert (await send(http, submission(7, 7, leaves=forged))).status_code == 409
    honest = submission(7, 20)
    for path in ((), honest.path[:-1], (*honest.path, bytes(32)), (bytes(32), *honest.path[1:])):
        assert (await send(http, replace(honest, path=path))).status_code == 422
    assert (await send(http, replace(submission(7, 7), path=(bytes(32),)))).status_code == 422
    assert (await send(http, honest)).status_code == 200


async def test_only_known_logs_and_their_own_signatures_count(http: httpx.AsyncClient) -> None:
    stranger = replace(SIGNER, prefix="elsewhere.example.com/log")
    assert (await send(http, submission(0, 3, signer=stranger))).status_code == 404
    below = SIGNER.secrets[0].named(f"{SIGNER.prefix}/acme/deeper")
    deeper = signing.sign_text(f"{below.name}\n3\n{'A' * 43}=\n", [below])
    assert (await send(http, Submission(old=0, path=(), note=deeper))).status_code == 404
    thief = replace(SIGNER, secrets=(Signer(name="thief", seed=bytes(32)),))
    assert (await send(http, submission(0, 3, signer=thief))).status_code == 403
    both = replace(SIGNER, secrets=(*thief.secrets, *SIGNER.secrets))
    assert (await send(http, submission(0, 3, signer=both))).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"old 1",
        b"old 01\n\n" + submission(1, 3).note,
        b"old -1\n\n" + submission(1, 3).note,
        b"old 1\nnot base64\n\n" + submission(1, 3).note,
        b"old 1\n\xff\n\n" + submission(1, 3).note,
        b"old 1\n\nno note",
        replace(submission(1, 3), path=(bytes(32),) * (MAX_PROOF_LINES + 1)).encode(),
        submission(5, 3).encode(),
        Submission(old=0, path=(), note=signing.sign_text("no checkpoint\n", SIGNER.secrets)).encode(),
    ],
)
async def test_what_is_no_submission_is_refused(http: httpx.AsyncClient, body: bytes) -> None:
    assert (await send(http, body)).status_code == 400


async def test_a_body_that_is_too_large_is_refused(http: httpx.AsyncClient) -> None:
    assert (await send(http, bytes(server.MAX_BODY_BYTES + 1))).status_code == 413


async def test_a_witness_that_starts_again_remembers(witness: Stand, tmp_path: Path) -> None:
    witness.service.add_checkpoint(submission(0, 7).encode())
    again = stand(tmp_path, NAME, SIGNER)
    assert again.service.signer == witness.service.signer
    async with again.serving(), httpx.AsyncClient(base_url=again.url, timeout=GENEROUS_S) as http:
        assert (await send(http, submission(0, 40))).content == b"7\n"
        assert (await send(http, submission(7, 40))).status_code == 200


def test_of_two_histories_at_once_one_is_cosigned(witness: Stand) -> None:
    forged = [bytes(32), *LEAVES[1:]]
    sent = [submission(0, size, leaves=leaves).encode() for size in (3, 9) for leaves in (LEAVES, forged)] * 4
    together = Barrier(len(sent))
    answers = []

    def submit(body: bytes) -> None:
        together.wait()
        answers.append(witness.service.add_checkpoint(body).status)

    threads = [Thread(target=submit, args=[body]) for body in sent]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [200] + [409] * (len(sent) - 1)


def test_a_key_without_its_memory_and_a_key_of_another_name_are_not_used(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "w")
    memory.open(NAME)
    with pytest.raises(InvalidConfiguration, match="is the key of witness"):
        memory.open("witness.example.com/w2")
    (tmp_path / "w" / MEMORY).unlink()
    with pytest.raises(InvalidConfiguration, match="would cosign histories that it has never seen"):
        memory.open(NAME)


def test_a_folder_whose_making_was_cut_short_is_made_to_its_end(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "w")
    memory.open(NAME)
    (tmp_path / "w" / KEY).unlink()
    assert memory.open(NAME).name == NAME


@pytest.mark.parametrize("text", ["", "acme", Signer(name="w", seed=bytes(32), algorithm=notes.COSIGNATURE).key.text])
def test_what_is_no_key_of_a_log_is_refused_at_start(text: str) -> None:
    with pytest.raises(InvalidConfiguration, match="log"):
        server.log_keys([text])
