"""A witness as a user runs it: from the key that the ledger's owner hands over to a cosigned file in a folder.

The command is that of docs/witnesses.md.
"""

import json
import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from acceptance.conftest import BESIDE_PYTHON, Dev, User, environment, run
from trenova.dev.ports import choose
from trenova.ledger import note as notes
from trenova.ledger import signing, verify
from trenova.ledger.note import VerifierKey
from waiting import until

NAME = "witness.example.com/w1"
PAGE = (Path(__file__).parents[2] / "docs/witnesses.md").read_text()


@contextmanager
def start_command(user: User, *words: str, **variables: str) -> Iterator["subprocess.Popen[bytes]"]:
    command = [str(BESIDE_PYTHON / "trenova"), *words]
    own = environment(TRENOVA_DATA_DIR=str(user.data_dir), **variables)
    with (user.folder / f"{words[0]}.err").open("ab") as err:
        process = subprocess.Popen(command, cwd=user.folder, env=own, stderr=err)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def listens(port: int) -> bool:
    with closing(socket.socket()) as opened:
        return opened.connect_ex(("127.0.0.1", port)) == 0


def is_cosigned(checkpoint: Path, tenant_key: VerifierKey, witness: VerifierKey, size: int) -> bool:
    if not checkpoint.exists():
        return False
    message = checkpoint.read_bytes()
    head = verify.signed_checkpoint(message, origin=tenant_key.name, keys=[tenant_key], check=signing.check)
    if head.size != size:
        return False
    note = notes.parse(message)
    here = any(line.key_id == witness.id for line in note.signatures)
    return here and witness in verify.signatures(note, keys=[witness], check=signing.check)


def test_a_killed_witness_continues_cosigning_from_its_saved_state(dev: Dev, trenova: User) -> None:
    service, log = (trenova("keys", "public", *of).lines[0] for of in ((), ("--tenant", trenova.tenant)))
    port = choose()
    stand = ["witness", "--name", NAME, "--state", "w", "--log", service, "--port", str(port)]

    def read_log() -> str:
        return (trenova.folder / "witness.err").read_text()

    with start_command(trenova, *stand) as witness:
        until(lambda: listens(port), read_log)
        key = next(json.loads(line)["key"] for line in read_log().splitlines() if "witness starting" in line)
        working = start_command(
            trenova,
            "worker",
            TEMPORAL_ADDRESS=dev.state["temporal_address"],
            TRENOVA_LEDGER__WITNESSES=json.dumps([{"url": f"http://127.0.0.1:{port}", "key": key}]),
            TRENOVA_LEDGER__PUBLISH_FOLDER=str(trenova.folder / "public"),
        )
        with working:
            checkpoint = trenova.folder / "public" / trenova.tenant / "checkpoint"
            keys = notes.parse_key(log), notes.parse_key(key)
            trenova.add({})
            until(lambda: is_cosigned(checkpoint, *keys, 1), read_log)
            # Exported evidence has the cosignature too: a reader can require it.
            assert trenova("evidence", "--tenant", trenova.tenant, "-o", "cosigned").exit_code == 0
            demand = ["--key", log, "--witness", key, "--cosignatures", "1"]
            assert trenova("verify", "cosigned", *demand).exit_code == 0
            run_commands_of_page(trenova, log, key, f"http://127.0.0.1:{port}")
            witness.kill()
            witness.wait()
            trenova.add({}, {})
            until(lambda: has_no_cosignature(checkpoint, keys[0], 3), read_log)
            assert trenova("evidence", "--tenant", trenova.tenant, "-o", "uncosigned").exit_code == 0
            assert trenova("verify", "uncosigned", *demand).exit_code == 1
            with start_command(trenova, *stand):
                until(lambda: is_cosigned(checkpoint, *keys, 3), read_log)
    assert read_log().count(key) == 2  # the same witness, not a new one
    assert not any(line for line in read_log().splitlines() if "refused" in line and trenova.tenant in line)


def run_commands_of_page(user: User, log: str, witness: str, url: str) -> None:
    """Run the commands of docs/witnesses.md for a reader with two keys and the evidence."""
    assert user("evidence", "--tenant", user.tenant, "-o", "acme.evidence.gz").exit_code == 0
    (user.folder / "acme.key").write_text(f"{log}\n")
    (user.folder / "w1.key").write_text(f"{witness}\n")
    blocks = re.findall(
        r"^<!-- run by tests/acceptance/test_witness.py -->\n```sh\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE
    )
    script = "".join(blocks).replace("https://witness.example.com/w1", url)
    script = script.replace("audit.example.com/v1/log/acme", log.partition("+")[0])
    path = f"{BESIDE_PYTHON}:/usr/local/bin:/usr/bin:/bin"
    ended = run(["bash", "-euo", "pipefail", "-c", script], user.folder, PATH=path)
    assert ended.exit_code == 0, ended
    assert len(blocks) == len([line for line in ended.lines if line.startswith("acme.evidence.gz: proved: 1 entry ")])


def has_no_cosignature(checkpoint: Path, tenant_key: VerifierKey, size: int) -> bool:
    note = checkpoint.read_bytes()
    head = verify.signed_checkpoint(note, origin=tenant_key.name, keys=[tenant_key], check=signing.check)
    return head.size == size and len(notes.parse(note).signatures) == 1


def test_a_worker_with_an_invalid_witness_key_does_not_start(newcomer: User, tmp_path: Path) -> None:
    key = signing.Signer(name="x", seed=bytes(range(32))).secret_text
    ended = newcomer(
        "worker",
        TRENOVA_SIGNING_KEY=key,
        TRENOVA_DATABASE__URL="postgresql://nobody@127.0.0.1:1/none",
        TRENOVA_LEDGER__WITNESSES='[{"url": "https://w.example.com", "key": "w+00000000+AAAA"}]',
    )
    assert "ledger.witnesses.0.key: verifier key: expected type 1 or 4" in ended.error_and_hint()[0]
    ended = newcomer("worker", TRENOVA_SIGNING_KEY=key, TRENOVA_LEDGER__WITNESSES="https://w.example.com")
    assert "ledger.witnesses:" in ended.error_and_hint()[0]
