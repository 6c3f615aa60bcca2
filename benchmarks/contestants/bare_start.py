"""The other physical limit: how long Temporal takes to persist a batch of one entry on an idle server.

One call after the other, on a queue without a poller, so that only the start itself is measured. An acknowledgement of
ours contains such a call and cannot be faster; it competes with the workflows that it starts, these do not.
"""

import time
import uuid

import msgspec
from benchmarks.entries import sealed_bodies
from benchmarks.measurement import Measurement, times
from benchmarks.meter import measuring
from benchmarks.servers import Servers

from trenova.domain.batch import Batch
from trenova.workflows import ProcessAuditBatchWorkflow

NAME = "bare start"
NOTE = "start_workflow with a batch of one entry, one after the other, on an idle server and a queue without a poller"
QUEUE = "bench-nobody"


async def run(servers: Servers, starts: int) -> Measurement:
    bodies = sealed_bodies(starts, tenant="bare")
    taken, handles = [], []
    async with measuring({"temporal": servers.pids["temporal"]}) as meter:
        for body in bodies:
            batch_id = str(uuid.uuid4())
            batch = Batch(batch_id=batch_id, entries=[msgspec.Raw(body)])
            begin = time.monotonic()
            handle = await servers.client.start_workflow(
                ProcessAuditBatchWorkflow.run, batch, id=f"bare-{batch_id}", task_queue=QUEUE
            )
            taken.append(time.monotonic() - begin)
            handles.append(handle)
    for handle in handles:
        await handle.terminate("measured")
    return Measurement(
        contestant=NAME, entries=starts, seconds=sum(taken), acknowledged=times(taken), cpu_s=meter.cpu_s
    )
