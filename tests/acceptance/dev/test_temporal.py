"""A real Temporal: stopped, killed, and next to another one."""

import os
import signal
from pathlib import Path

import pytest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, RegisterNamespaceRequest

from acceptance.dev.observed import pid_of
from trenova.dev import ports
from trenova.dev.temporal import Temporal
from trenova.errors import PartFailed


async def test_temporal_keeps_its_namespaces_when_it_is_stopped_and_when_it_is_killed(folder: Path) -> None:
    async with Temporal(folder).running() as temporal:
        client = await temporal.client()
        request = RegisterNamespaceRequest(namespace="kept")
        request.workflow_execution_retention_period.FromSeconds(86_400)
        await client.workflow_service.register_namespace(request)
    async with Temporal(folder, ui_port=ports.choose()).running() as temporal:
        os.kill(pid_of(folder, "temporal"), signal.SIGKILL)
    async with Temporal(folder).running() as temporal:
        client = await temporal.client()
        description = await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace="kept"))
        assert description.namespace_info.name == "kept"


async def test_temporal_writes_to_disk_before_it_answers(folder: Path) -> None:
    async with Temporal(folder).running():
        assert (folder / "temporal" / "temporal.db-wal").exists()


async def test_another_server_on_the_port_does_not_pass_for_ours(folder: Path) -> None:
    async with Temporal(folder / "one").running() as one:
        with pytest.raises(PartFailed, match="temporal ended with exit code 1 while it was starting"):
            async with Temporal(folder / "two", port=one.port).running():
                pass
