"""The load generator: a separate process that sends prepared request bodies and records when they are answered.

Raw asyncio with httptools, because a full HTTP client costs more CPU than the API it measures. It reads nothing of an
answer but its status and its bytes; they are decoded after the last one. Run by `load.send`, which reports its CPU, to
show that it was not the bottleneck.
"""

import asyncio
import resource
import sys
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import httptools
import msgspec
import uvloop

HOST = "127.0.0.1"
PAUSE_AFTER_REFUSAL_S = 0.2
REFUSED = 503
FIRST_CLIENT_ERROR = 400
LENGTH_BYTES = 4


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """Requests of one client. Each connection sends after its answer, or, with `rate`, so many requests a second."""

    name: str
    headers: dict[str, str]
    bodies: str
    """A file of bodies, each after its length."""
    connections: int
    rate: float | None = None


class Job(msgspec.Struct, frozen=True, kw_only=True):
    port: int
    path: str
    streams: list[Stream]
    limit_s: float


class SentRequest(msgspec.Struct, frozen=True, array_like=True):
    """One request. Times come from the machine's monotonic clock, which all processes share."""

    stream: str
    due: float
    acknowledged: float
    batch_ids: list[str]


class Result(msgspec.Struct, frozen=True, kw_only=True):
    requests: list[SentRequest]
    refused: int
    cpu_s: float
    seconds: float


class EntryAnswer(msgspec.Struct):
    batch_id: str | None = None


class Answer(msgspec.Struct):
    """The part of an acknowledgement that is read; other APIs may answer without it."""

    batch_id: str | None = None
    entries: list[EntryAnswer] = []


def write_bodies(file: Path, bodies: Sequence[bytes]) -> None:
    with file.open("wb") as out:
        for body in bodies:
            out.write(len(body).to_bytes(LENGTH_BYTES, "big"))
            out.write(body)


def read_bodies(file: Path) -> list[bytes]:
    data = file.read_bytes()
    bodies, at = [], 0
    while at < len(data):
        begin = at + LENGTH_BYTES
        at = begin + int.from_bytes(data[at:begin], "big")
        bodies.append(data[begin:at])
    return bodies


async def send(folder: Path, job: Job) -> Result:
    """Run the job in a separate process."""
    file = folder / "load-job.json"
    file.write_bytes(msgspec.json.encode(job))
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.load", str(file), stdout=asyncio.subprocess.PIPE
    )
    try:
        output, _ = await child.communicate()
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    if child.returncode:
        raise RuntimeError(f"the load generator ended with exit code {child.returncode}")
    return msgspec.json.decode(output, type=Result)


class Connection(asyncio.Protocol):
    """One request at a time over one kept-alive connection."""

    def __init__(self) -> None:
        self.parser = httptools.HttpResponseParser(self)
        self.parts: list[bytes] = []
        self.answered: asyncio.Future[tuple[int, bytes]] | None = None
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's own class, of the same shape

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self.parts.append(body)

    def on_message_complete(self) -> None:
        assert self.answered is not None
        body = b"".join(self.parts)
        self.parts = []
        self.answered.set_result((self.parser.get_status_code(), body))

    def connection_lost(self, exc: Exception | None) -> None:
        if self.answered is not None and not self.answered.done():
            self.answered.set_exception(exc or ConnectionResetError("the server closed the connection"))

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        assert self.transport is not None
        self.answered = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return await self.answered


class Client:
    """All connections of one stream."""

    def __init__(self, job: Job, stream: Stream) -> None:
        self.job = job
        self.stream = stream
        head = [f"POST {job.path} HTTP/1.1", f"Host: {HOST}", "Content-Type: application/json"]
        self.head = "\r\n".join([*head, *(f"{name}: {value}" for name, value in stream.headers.items())])
        self.requests = deque(self.request(body) for body in read_bodies(Path(stream.bodies)))
        self.answers: list[tuple[float, float, bytes]] = []
        self.refused = 0

    def request(self, body: bytes) -> bytes:
        return f"{self.head}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body

    async def run(self, begin: float) -> None:
        loop = asyncio.get_running_loop()
        made = [await loop.create_connection(Connection, HOST, self.job.port) for _ in range(self.stream.connections)]
        work = self.run_closed_loop if self.stream.rate is None else self.paced_requests(begin, self.stream.rate)
        async with asyncio.TaskGroup() as group:
            for _, connection in made:
                group.create_task(work(connection))
        for transport, _ in made:
            transport.close()

    async def run_closed_loop(self, connection: Connection) -> None:
        while self.requests:
            await self.one(connection, self.requests.popleft(), time.monotonic())

    def paced_requests(self, begin: float, rate: float) -> "PacedRequests":
        return PacedRequests(self, begin, rate)

    async def one(self, connection: Connection, request: bytes, due: float) -> None:
        """Send until it is acknowledged. A 503 is counted and the request retried; that time counts, too."""
        while True:
            status, body = await connection.ask(request)
            if status < FIRST_CLIENT_ERROR:
                self.answers.append((due, time.monotonic(), body))
                return
            if status != REFUSED:
                raise RuntimeError(f"status {status}: {body[:500].decode(errors='replace')}")
            self.refused += 1
            await asyncio.sleep(PAUSE_AFTER_REFUSAL_S)

    def sent_requests(self) -> list[SentRequest]:
        return [SentRequest(self.stream.name, due, at, batch_ids(body)) for due, at, body in self.answers]


class PacedRequests:
    """Requests have due times; any free connection sends the next. A slow server cannot slow the load."""

    def __init__(self, client: Client, begin: float, rate: float) -> None:
        self.client = client
        self.begin = begin
        self.rate = rate
        self.sent = 0

    async def __call__(self, connection: Connection) -> None:
        while self.client.requests:
            request = self.client.requests.popleft()
            due = self.begin + self.sent / self.rate
            self.sent += 1
            wait = due - time.monotonic()
            if wait > 0:
                await asyncio.sleep(wait)
            await self.client.one(connection, request, due)


def batch_ids(body: bytes) -> list[str]:
    answer = msgspec.json.decode(body, type=Answer)
    ids = {entry.batch_id for entry in answer.entries} - {None}
    return [str(each) for each in ids or {answer.batch_id} if each]


async def run(job: Job) -> Result:
    clients = [Client(job, stream) for stream in job.streams]
    spent, begin = cpu_s(), time.monotonic()
    async with asyncio.timeout(job.limit_s), asyncio.TaskGroup() as group:
        for client in clients:
            group.create_task(client.run(begin))
    cost, seconds = cpu_s() - spent, time.monotonic() - begin
    return Result(
        requests=[request for client in clients for request in client.sent_requests()],
        refused=sum(client.refused for client in clients),
        cpu_s=cost,
        seconds=seconds,
    )


def cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    job = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Job)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sys.stdout.buffer.write(msgspec.json.encode(runner.run(run(job))))
