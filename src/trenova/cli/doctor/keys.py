"""The encryption keys: each by a round trip, and against what open workflows hold."""

from trenova.cli.doctor.checkup import Check
from trenova.cli.doctor.finding import Kind, Verdict, failed, ok
from trenova.cli.doctor.scene import Scene
from trenova.cli.doctor.words import many
from trenova.codec.keys import variable_of
from trenova.codec.settings import keyring_of
from trenova.errors import InvalidConfiguration
from trenova.inflight import PLAIN, open_work

FIRST_LETTER = "encryptionKeyID"


async def configured(scene: Scene) -> Verdict:
    """`keyring_of` encrypts and decrypts a payload with every key."""
    security = scene.settings.temporal.security
    try:
        ring = keyring_of(security, scene.asked.environ)
    except InvalidConfiguration as error:
        problems = "; ".join(error.problems)
        if any(problem.startswith(FIRST_LETTER) for problem in error.problems):
            problems = f"encryption key not found for ID: {security.encryption_key_id}: {problems}"
        return failed(problems, error.hint or "`trenova keys check --offline` lists the keys")
    if ring.encrypting_id is None:
        return ok(f"encryption is off; {many(len(ring.keys), 'key decrypts', 'keys decrypt')}")
    others = len(ring.keys) - 1
    return ok(f"{ring.encrypting_id} encrypts and decrypts{f', and {others} more decrypt' if others else ''}")


async def needed(scene: Scene) -> Verdict:
    work = await open_work(scene.client)
    if work.unreadable:
        ids = ", ".join(variable_of(key_id) for key_id in work.unreadable)
        return failed(
            f"open workflows wait: {'; '.join(work.unreadable.values())}",
            f"set {ids} to the key that they were encrypted with, on every API and worker, and start these again; "
            "`trenova keys check` lists what is needed",
        )
    used = ", ".join(name for name in work.key_ids if name != PLAIN)
    return ok(
        f"{many(work.looked_at, 'open workflow needs', 'open workflows need')} {used or 'no key'}, and can be read"
    )


CHECKS = (
    Check("encryption keys", Kind.KEYS, configured),
    Check("keys of open workflows", Kind.KEYS, needed, ("encryption keys", "temporal namespace"), limit_s=60),
)
