"""Our witness over HTTP, as c2sp.org/tlog-witness has it, with trees made here."""

import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
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
from trenova.ledger.add_checkpoint import MAX_PROOF_LINES, AddCheckpointRequest
from trenova.ledger.ledger_signer import LedgerSigner
from trenova.ledger.signing import Signer
from trenova.witness import evidence, server
from trenova.witness.state import KEY, MEMORY, WitnessState

TENANT = "acme"
LEAVES = [sha256(bytes([number])).digest() for number in range(40)]
NAME = "witness.example.com/w1"


def request_to(
    old: int, size: int, *, signer: LedgerSigner = SIGNER, leaves: list[bytes] = LEAVES
) -> AddCheckpointRequest:
    note = signer.sign(TENANT, size=size, root=tree.root_of(leaves[:size]))
    read = tiles.node_reader({(0, 0): b"".join(leaves)})
    path = prove.consistency(old, size, read) if old <= size else ()
    return AddCheckpointRequest(old=old, path=path, note=note)


@pytest.fixture
def witness(tmp_path: Path) -> Stand:
    return stand(tmp_path, NAME, SIGNER)


@pytest.fixture
async def http(witness: Stand) -> AsyncIterator[httpx.AsyncClient]:
    async with witness.serving(), httpx.AsyncClient(base_url=witness.url, timeout=GENEROUS_S, verify=False) as client:
        yield client


async def send(http: httpx.AsyncClient, sent: AddCheckpointRequest | bytes) -> httpx.Response:
    return await http.post("/add-checkpoint", content=sent if isinstance(sent, bytes) else sent.encode())


async def test_a_growing_log_is_cosigned_with_the_time(http: httpx.AsyncClient, witness: Stand) -> None:
    key = witness.service.signer.key
    for old, size in ((0, 1), (1, 5), (5, 5), (5, 32), (32, 40)):
        sent = request_to(old, size)
        answer = await send(http, sent)
        assert answer.status_code == 200, answer.text
        note = notes.parse(sent.note + answer.content)
        assert verify.signatures(note, keys=[key], check=signing.check) == (key,)
        assert abs(note.signatures[-1].timestamp - witness.service.clock()) < GENEROUS_S


async def test_a_wrong_old_size_is_answered_with_the_cosigned_size(http: httpx.AsyncClient) -> None:
    await send(http, request_to(0, 7))
    for sent in (request_to(0, 40), request_to(5, 40), request_to(8, 40), request_to(0, 5), request_to(5, 5)):
        answer = await send(http, sent)
        assert (answer.status_code, answer.content) == (409, b"7\n")
        assert answer.headers["content-type"] == "text/x.tlog.size"


async def test_another_history_is_never_cosigned(http: httpx.AsyncClient) -> None:
    await send(http, request_to(0, 7))
    forged = [LEAVES[0], bytes(32), *LEAVES[2:]]
    assert (await send(http, request_to(7, 20, leaves=forged))).status_code == 422
    forked = await send(http, request_to(7, 7, leaves=forged))
    assert (forked.status_code, forked.headers["content-type"]) == (422, "text/plain; charset=utf-8")
    honest = request_to(7, 20)
    for path in ((), honest.path[:-1], (*honest.path, bytes(32)), (bytes(32), *honest.path[1:])):
        assert (await send(http, replace(honest, path=path))).status_code == 422
    assert (await send(http, replace(request_to(7, 7), path=(bytes(32),)))).status_code == 422
    assert (await send(http, honest)).status_code == 200


async def test_only_known_logs_and_their_own_signatures_count(http: httpx.AsyncClient) -> None:
    stranger = replace(SIGNER, prefix="elsewhere.example.com/log")
    assert (await send(http, request_to(0, 3, signer=stranger))).status_code == 404
    below = SIGNER.secrets[0].with_name(f"{SIGNER.prefix}/acme/deeper")
    deeper = signing.sign_text(f"{below.name}\n3\n{'A' * 43}=\n", [below])
    assert (await send(http, AddCheckpointRequest(old=0, path=(), note=deeper))).status_code == 404
    thief = replace(SIGNER, secrets=(Signer(name="thief", seed=bytes(32)),))
    assert (await send(http, request_to(0, 3, signer=thief))).status_code == 403
    both = replace(SIGNER, secrets=(*thief.secrets, *SIGNER.secrets))
    assert (await send(http, request_to(0, 3, signer=both))).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"old 1",
        b"old 01\n\n" + request_to(1, 3).note,
        b"old -1\n\n" + request_to(1, 3).note,
        b"old 1\nnot base64\n\n" + request_to(1, 3).note,
        b"old 1\n\xff\n\n" + request_to(1, 3).note,
        b"old 1\n\nno note",
        replace(request_to(1, 3), path=(bytes(32),) * (MAX_PROOF_LINES + 1)).encode(),
        request_to(5, 3).encode(),
        AddCheckpointRequest(old=0, path=(), note=signing.sign_text("no checkpoint\n", SIGNER.secrets)).encode(),
    ],
)
async def test_a_body_that_is_not_an_add_checkpoint_request_is_invalid(http: httpx.AsyncClient, body: bytes) -> None:
    assert (await send(http, body)).status_code == 400


async def test_a_body_that_is_too_large_is_an_error(http: httpx.AsyncClient) -> None:
    assert (await send(http, bytes(server.MAX_BODY_BYTES + 1))).status_code == 413


async def test_a_restarted_witness_remembers(witness: Stand, tmp_path: Path) -> None:
    witness.service.add_checkpoint(request_to(0, 7).encode())
    again = stand(tmp_path, NAME, SIGNER)
    assert again.service.signer == witness.service.signer
    async with again.serving(), httpx.AsyncClient(base_url=again.url, timeout=GENEROUS_S, verify=False) as http:
        assert (await send(http, request_to(0, 40))).content == b"7\n"
        assert (await send(http, request_to(7, 40))).status_code == 200


def test_of_two_histories_at_once_one_is_cosigned(witness: Stand) -> None:
    forged = [bytes(32), *LEAVES[1:]]
    sent = [request_to(0, size, leaves=leaves).encode() for size in (3, 9) for leaves in (LEAVES, forged)] * 4
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


ORIGIN = f"{SIGNER.prefix}/{TENANT}"
ADDRESS = f"/{sha256(ORIGIN.encode()).hexdigest()}/checkpoint"
FORGED = [LEAVES[0], bytes(32), *LEAVES[2:]]


def saved_evidence(witness: Stand) -> list[dict[str, object]]:
    folder = witness.service.state.path / evidence.FOLDER
    return [json.loads(file.read_bytes()) for file in sorted(folder.iterdir())] if folder.exists() else []


async def test_the_last_checkpoint_is_served_with_the_lines_of_the_log_and_of_the_witness(
    http: httpx.AsyncClient, witness: Stand
) -> None:
    assert (await http.get(ADDRESS)).status_code == 404
    stranger = Signer(name="stranger.example.com", seed=bytes(32))
    for old, size in ((0, 3), (3, 9)):
        sent = request_to(old, size)
        extra = notes.parse(signing.sign_text(notes.parse(sent.note).text, [stranger])).signatures
        noisy = replace(notes.parse(sent.note), signatures=(*extra, *notes.parse(sent.note).signatures))
        line = (await send(http, replace(sent, note=noisy.encode()))).content
        served = await http.get(ADDRESS)
        assert served.content == sent.note + line
        assert served.headers["content-type"] == "text/plain; charset=utf-8"
        assert served.headers["cache-control"] == "max-age=5"
        assert served.headers["access-control-allow-origin"] == "*"
    served, head = await http.get(ADDRESS), await http.head(ADDRESS)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(served.content))
    assert witness.service.signer.key in verify.signatures(
        notes.parse(served.content), keys=[witness.service.signer.key], check=signing.check
    )


@pytest.mark.parametrize(
    "path", [ADDRESS.upper(), f"{ADDRESS}/", f"/{ADDRESS}", "/00/checkpoint", f"/{'0' * 64}/checkpoint", "/none"]
)
async def test_a_checkpoint_under_another_name_is_not_found(http: httpx.AsyncClient, path: str) -> None:
    await send(http, request_to(0, 3))
    answer = await http.get(f"{str(http.base_url).rstrip('/')}{path}")
    assert answer.status_code == 404
    assert answer.headers["cache-control"] == "no-store"


async def test_evidence_of_a_fork_is_saved_with_the_checkpoint_that_it_contradicts(
    http: httpx.AsyncClient, witness: Stand
) -> None:
    honest = request_to(0, 7)
    await send(http, honest)
    assert (await send(http, request_to(5, 20))).status_code == 409
    assert saved_evidence(witness) == []  # the log had only forgotten where it was
    forged = request_to(7, 7, leaves=FORGED)
    for status, sent in ((422, forged), (422, forged), (409, request_to(5, 7, leaves=FORGED))):
        assert (await send(http, sent)).status_code == status
    (fork,) = saved_evidence(witness)
    assert (fork["misdeed"], fork["status"], fork["old_size"]) == ("fork", 422, 7)
    refused, remembered = (notes.parse(str(fork[name]).encode()) for name in ("refused", "remembered"))
    assert refused == notes.parse(forged.note)
    for note in (refused, remembered):
        assert verify.signatures(note, keys=SIGNER.keys(TENANT), check=signing.check)
    assert remembered.text == notes.parse(honest.note).text
    assert (await send(http, request_to(7, 20, leaves=FORGED))).status_code == 422
    assert [each["misdeed"] for each in saved_evidence(witness)] == ["fork", "unproved"]


async def test_evidence_is_never_overwritten_and_limited_in_number(http: httpx.AsyncClient, witness: Stand) -> None:
    await send(http, request_to(0, 7))
    unproved = [replace(request_to(7, size), path=(bytes(32),)) for size in range(8, 8 + evidence.MOST_OF_A_LOG + 3)]
    for sent in unproved:
        assert (await send(http, sent)).status_code == 422
    before = saved_evidence(witness)
    assert len(before) == evidence.MOST_OF_A_LOG
    # Others' hints do not take the room of a proof, and who sends the same again changes nothing.
    assert (await send(http, request_to(7, 7, leaves=FORGED))).status_code == 422
    assert (await send(http, unproved[0])).status_code == 422
    assert [each for each in saved_evidence(witness) if each["misdeed"] == "unproved"] == before
    assert len(saved_evidence(witness)) == len(before) + 1


async def test_a_witness_that_cannot_save_evidence_declines_anyway(http: httpx.AsyncClient, witness: Stand) -> None:
    await send(http, request_to(0, 7))
    (witness.service.state.path / evidence.FOLDER).write_text("in the way")
    assert (await send(http, request_to(7, 7, leaves=FORGED))).status_code == 422
    assert (await send(http, request_to(7, 9))).status_code == 200


async def test_an_empty_tree_has_the_root_of_the_empty_tree(http: httpx.AsyncClient) -> None:
    assert (
        await send(http, AddCheckpointRequest(old=0, path=(), note=SIGNER.sign(TENANT, size=0, root=bytes(32))))
    ).status_code == 422
    empty = SIGNER.sign(TENANT, size=0, root=sha256().digest())
    assert (await send(http, AddCheckpointRequest(old=0, path=(bytes(32),), note=empty))).status_code == 422
    assert (await send(http, AddCheckpointRequest(old=0, path=(), note=empty))).status_code == 200


async def test_a_checkpoint_that_is_too_long_is_declined(http: httpx.AsyncClient) -> None:
    text = f"{ORIGIN}\n0\n{'A' * 43}=\n{'x' * 20_000}\n"
    note = signing.sign_text(text, [SIGNER.secrets[0].with_name(ORIGIN)])
    assert (await send(http, AddCheckpointRequest(old=0, path=(), note=note))).status_code == 400


async def test_the_state_of_an_earlier_release_is_read_and_served(tmp_path: Path) -> None:
    first = stand(tmp_path, NAME, SIGNER)
    with closing(sqlite3.connect(first.service.state.path / MEMORY)) as connection, connection:
        connection.execute("DROP TABLE logs")
        connection.execute(
            "CREATE TABLE logs (origin TEXT PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL, note BLOB NOT NULL)"
        )
        remembered = request_to(0, 7).note
        columns = (ORIGIN, 7, tree.root_of(LEAVES[:7]), remembered)
        connection.execute("INSERT INTO logs VALUES (?, ?, ?, ?)", columns)
    again = stand(tmp_path, NAME, SIGNER)
    key = again.service.signer.key
    async with again.serving(), httpx.AsyncClient(base_url=again.url, timeout=GENEROUS_S, verify=False) as http:
        served = notes.parse((await http.get(ADDRESS)).content)
        assert served.text == notes.parse(remembered).text
        assert verify.signatures(served, keys=[key], check=signing.check) == (key,)
        assert (await send(http, request_to(0, 40))).content == b"7\n"
        assert (await send(http, request_to(7, 40))).status_code == 200


def test_a_key_without_its_state_and_a_key_of_another_name_are_not_used(tmp_path: Path) -> None:
    memory = WitnessState(tmp_path / "w")
    memory.open(NAME)
    with pytest.raises(InvalidConfiguration, match="is the key of witness"):
        memory.open("witness.example.com/w2")
    (tmp_path / "w" / MEMORY).unlink()
    with pytest.raises(InvalidConfiguration, match="could cosign a second history"):
        memory.open(NAME)


def test_the_creation_of_a_folder_resumes_after_an_interruption(tmp_path: Path) -> None:
    memory = WitnessState(tmp_path / "w")
    memory.open(NAME)
    (tmp_path / "w" / KEY).unlink()
    assert memory.open(NAME).name == NAME


@pytest.mark.parametrize("text", ["", "acme", Signer(name="w", seed=bytes(32), algorithm=notes.COSIGNATURE).key.text])
def test_a_key_that_is_not_of_a_log_is_an_error_at_start(text: str) -> None:
    with pytest.raises(InvalidConfiguration, match="log"):
        server.log_keys([text])
