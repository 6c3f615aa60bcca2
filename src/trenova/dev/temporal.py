"""Temporal and its Web UI on this machine, with every write flushed to disk before it is acknowledged."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Self

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError

from trenova.dev import ports
from trenova.dev.environment import own_environment
from trenova.dev.part import Part
from trenova.dev.process import running
from trenova.dev.watchdog import AnswerWatchdog
from trenova.runtime.installation.folder import Folder, lock, make_folder

NAMESPACE = "default"
ANSWER_LIMIT = timedelta(seconds=5)


class Temporal:
    """The Temporal server of one data folder; without `ui_port` it has no Web UI.

    `codec_endpoint` is the address to which the Web UI sends payloads for decoding.
    """

    def __init__(
        self, folder: Path, *, port: int | None = None, ui_port: int | None = None, codec_endpoint: str | None = None
    ) -> None:
        self.folder = Folder(folder)
        self.port = ports.choose() if port is None else port
        self.ui_port = ui_port
        self.codec_endpoint = codec_endpoint
        self.metrics_port = ports.choose()
        self.namespace = NAMESPACE
        self.address = f"{ports.LOCALHOST}:{self.port}"
        self.ui_url = f"http://{ports.LOCALHOST}:{ui_port}" if ui_port else None
        self._client: Client | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Self]:
        with self.part() as part:
            async with running(part):
                yield self

    @contextmanager
    def part(self) -> Iterator[Part]:
        """The server as a part; its database file is locked for this process."""
        data = self.folder.path / "temporal"
        make_folder(data, 0o700)
        with lock(data / "lock", f"Temporal's data in {data}"):
            yield Part(
                name="temporal",
                argv=self._command(data / "temporal.db"),
                # The CLI reads configuration from the user's home, even when it starts a server.
                env=own_environment(os.environ) | {"HOME": str(data), "XDG_CONFIG_HOME": str(data)},
                log=self.folder.log("temporal"),
                record=self.folder.record("temporal"),
                is_ready=self.is_ready,
                watchdog=lambda: AnswerWatchdog(self.answers),
            )

    async def is_ready(self, pid: int) -> bool:
        """Whether it answers for the namespace, which it registers a moment after it starts to listen."""
        return ports.is_listening(pid, self.port) and await self.answers()

    async def answers(self) -> bool:
        try:
            client = await self.client()
            request = DescribeNamespaceRequest(namespace=NAMESPACE)
            await client.workflow_service.describe_namespace(request, timeout=ANSWER_LIMIT)
        except (RuntimeError, RPCError, TimeoutError):
            return False
        return True

    async def client(self) -> Client:
        """A connection without our codec, for requests about the server, not for starting workflows."""
        if self._client is None:
            async with asyncio.timeout(ANSWER_LIMIT.total_seconds()):
                self._client = await Client.connect(self.address, namespace=NAMESPACE)
        return self._client

    def _command(self, database: Path) -> tuple[str, ...]:
        ui: tuple[str, ...] = (
            ("--ui-port", str(self.ui_port), "--ui-disable-news-fetch") if self.ui_port else ("--headless",)
        )
        if self.ui_port and self.codec_endpoint:
            ui += ("--ui-codec-endpoint", self.codec_endpoint)
        return (
            # pip installs it beside the interpreter; another `temporal` on the PATH must not be used.
            str(Path(sys.executable).with_name("temporal")),
            *("server", "start-dev", "--ip", ports.LOCALHOST, "--port", str(self.port), *ui),
            *("--metrics-port", str(self.metrics_port), "--namespace", NAMESPACE, "--log-level", "warn"),
            *("--db-filename", str(database)),
            *("--sqlite-pragma", "journal_mode=wal", "--sqlite-pragma", "synchronous=2"),
            # Tenants share one queue; without this, a tenant with a long backlog delays all others.
            *("--dynamic-config-value", "matching.enableFairness=true"),
            # Each partition of a queue has its own order, and one may wait while others are drained. All are still
            # read, as an earlier release may have left tasks in any of them.
            *("--dynamic-config-value", "matching.numTaskqueueWritePartitions=1"),
        )
