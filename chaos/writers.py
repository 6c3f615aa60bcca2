"""The load, a process of its own: every request keeps its ids and is sent again until it is acknowledged.

After SIGTERM it begins no further request, and exits when the requests in flight are acknowledged.
"""

import asyncio
import itertools
import signal
import sys
import time
import uuid
from pathlib import Path

import httpx
import msgspec
import uvloop

from chaos import entries
from chaos.entries import Author, Place
from chaos.journal import Journal, Kind, Note

# A client without a response for this long sends again; longer than the limit of `wait=stored`.
ANSWER_LIMIT_S = 40
PAUSE_S = 0.25


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What to send where. `rate` is in entries a second over all authors; an author that is late catches up."""

    url: str
    api_key: str
    run: int
    tenants: int
    rate: float
    journal: str
    receipts: str
    """A file that gets a line for the first entry of every request that was answered `stored`."""


class EntryState(msgspec.Struct, frozen=True):
    """The fields of an acknowledged entry that are checked."""

    id: uuid.UUID
    state: str


class Answer(msgspec.Struct, frozen=True):
    entries: list[msgspec.Raw]


class Writers:
    def __init__(self, job: Job, http: httpx.AsyncClient) -> None:
        self.job = job
        self.http = http
        self.journal = Journal(Path(job.journal))
        self.stop = asyncio.Event()
        self.authors = entries.authors(job.tenants)

    async def run(self) -> None:
        for each in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(each, self.stop.set)
        begin = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for author in self.authors:
                for _ in range(author.senders):
                    group.create_task(self.send_all(author, begin))

    async def send_all(self, author: Author, begin: float) -> None:
        """Each author has its share of the rate: nine tenths of the entries come in bulk."""
        every_s = self.pause_between(author)
        for request in itertools.count():
            wait = begin + request * every_s - time.monotonic()
            if wait > 0:
                await self.sleep(wait)
            if self.stop.is_set():
                return
            await self.until_acknowledged(author, request)

    def pause_between(self, author: Author) -> float:
        bulk = max(each.entries_each for each in self.authors)
        # Authors of small requests send as many requests as those of large ones, times five.
        weights = {each.number: 1.0 if each.entries_each == bulk else 5.0 for each in self.authors}
        unit = sum(weights[each.number] * each.entries_each for each in self.authors)
        return unit / (self.job.rate * weights[author.number])

    async def sleep(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self.stop.wait()
        except TimeoutError:
            return

    async def until_acknowledged(self, author: Author, request: int) -> None:
        body = entries.request_body(self.job.run, author, request)
        wait = author.wait_every > 0 and request % author.wait_every == 0
        path = "/v1/entries?wait=stored" if wait else "/v1/entries"
        # Noted before it leaves: what may be stored is then always known to have been sent.
        self.note("sent", author, request)
        while True:
            try:
                async with asyncio.timeout(ANSWER_LIMIT_S):
                    answer = await self.http.post(path, content=body)
            except (httpx.TransportError, TimeoutError):
                self.note("retried", author, request)
                await asyncio.sleep(PAUSE_S)
                continue
            if answer.is_success:
                self.note_acknowledgement(author, request, answer)
                return
            if httpx.codes.is_client_error(answer.status_code):
                print(f"refused with {answer.status_code}: {answer.text[:500]}", file=sys.stderr, flush=True)
                self.note("refused", author, request)
                return
            self.note("retried", author, request)
            await asyncio.sleep(PAUSE_S)

    def note_acknowledgement(self, author: Author, request: int, answer: httpx.Response) -> None:
        """Note an acknowledgement only if it names every entry that was sent, in order."""
        answers = msgspec.json.decode(answer.content, type=Answer).entries
        read = [msgspec.json.decode(each, type=EntryState) for each in answers]
        expected = [entries.id_of(self.job.run, Place(author.number, request, at)) for at in range(author.entries_each)]
        if [each.id for each in read] != expected:
            print(f"request {author.number}/{request}: the answer names other entries", file=sys.stderr, flush=True)
            self.note("refused", author, request)
            return
        if answer.status_code == httpx.codes.CREATED:
            with Path(self.job.receipts).open("ab") as file:
                file.write(bytes(answers[0]) + b"\n")
            self.note("stored", author, request)
        else:
            self.note("acknowledged", author, request)

    def note(self, kind: Kind, author: Author, request: int) -> None:
        self.journal.add(Note(kind=kind, author=author.number, request=request, at=time.time()))


async def main(job: Job) -> None:
    headers = {"Authorization": f"Bearer {job.api_key}", "Content-Type": "application/json"}
    async with httpx.AsyncClient(
        base_url=job.url, headers=headers, timeout=ANSWER_LIMIT_S, trust_env=False, verify=False
    ) as http:
        await Writers(job, http).run()


if __name__ == "__main__":
    read = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Job)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(read))
