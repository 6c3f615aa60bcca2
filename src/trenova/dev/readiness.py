"""What "ready" means: the API answers, Temporal has seen the worker poll, and a probe entry was stored."""

import asyncio
import socket
import time
import uuid
from collections.abc import Mapping

import httpx

from trenova.config import TASK_QUEUE
from trenova.dev.temporal import ANSWER_LIMIT, Temporal
from trenova.domain.reserved import PROBE_ACTION, PROBE_ACTOR, SELF_TEST_TARGET, SYSTEM_TENANT
from trenova.errors import PartFailed
from trenova.runtime.http.loopback import loopback_client
from trenova.worker.polls import QUEUES, recent_pollers

PROBE_LIMIT_S = 180
PROBE_REQUEST_LIMIT_S = 60
RETRY_EVERY_S = 0.2
# A database rule that parks the probe does not matter here: the probe has passed through all parts.
DELIVERED = {httpx.codes.CREATED, httpx.codes.MULTI_STATUS}


async def answers_ok(url: str) -> bool:
    try:
        async with loopback_client(timeout_s=ANSWER_LIMIT.total_seconds()) as client:
            return (await client.get(url)).is_success
    except httpx.HTTPError:
        return False


async def is_polling(temporal: Temporal, pid: int) -> bool:
    """Whether Temporal has seen exactly this worker poll for both workflow and activity tasks."""
    identity = f"{pid}@{socket.gethostname()}"  # the SDK's default identity of a client
    try:
        client = await temporal.client()
        async with asyncio.timeout(ANSWER_LIMIT.total_seconds()):
            return all([identity in await recent_pollers(client, TASK_QUEUE, kind) for kind in QUEUES])
    except (RuntimeError, TimeoutError):
        return False


async def send_probe(api_url: str, api_key: str) -> None:
    """Send one entry through all parts, and return when it is stored."""
    entry = {
        "id": str(uuid.uuid4()),  # one id for all attempts, so that the probe is stored once
        "tenant": SYSTEM_TENANT,
        "actor": {"type": PROBE_ACTOR.type, "id": PROBE_ACTOR.id},
        "action": PROBE_ACTION,
        "target": {"type": SELF_TEST_TARGET.type, "id": SELF_TEST_TARGET.id},
    }
    deadline = time.monotonic() + PROBE_LIMIT_S
    headers = {"Authorization": f"Bearer {api_key}"}
    async with loopback_client(timeout_s=PROBE_REQUEST_LIMIT_S, headers=headers) as client:
        while (answer := await send_once(client, f"{api_url}/v1/entries?wait=stored", entry)) not in DELIVERED:
            is_final = isinstance(answer, int) and httpx.codes.is_client_error(answer)
            if is_final or time.monotonic() > deadline:
                raise PartFailed(
                    f"a probe entry sent to {api_url} was not stored: the last answer was {answer}",
                    hint="look at the logs of the parts: `trenova logs`",
                )
            await asyncio.sleep(RETRY_EVERY_S)


async def send_once(client: httpx.AsyncClient, url: str, entry: Mapping[str, object]) -> int | str:
    """The HTTP status of the answer, or the type of the error that prevented one."""
    try:
        return (await client.post(url, json=entry)).status_code
    except httpx.HTTPError as error:
        return type(error).__name__
