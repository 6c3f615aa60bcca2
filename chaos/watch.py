"""A reader of the ledgers that keeps every checkpoint it receives while the parts die."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import httpx

EVERY_S = 2.0
ANSWER_LIMIT_S = 5


@dataclass(slots=True)
class Watch:
    """Checkpoints by tenant, each as it was served, without repetition."""

    url: str
    api_key: str = field(repr=False)
    tenants: Sequence[str]
    seen: dict[str, dict[bytes, None]] = field(default_factory=dict)

    async def run(self) -> None:
        """Until cancelled."""
        headers = {"Authorization": f"Bearer {self.api_key}"}
        async with httpx.AsyncClient(
            base_url=self.url, headers=headers, timeout=ANSWER_LIMIT_S, trust_env=False, verify=False
        ) as http:
            while True:
                for tenant in self.tenants:
                    # A part that is unreachable serves no checkpoint; each one that is served is kept.
                    with suppress(httpx.HTTPError):
                        answer = await http.get(f"/v1/log/{tenant}/checkpoint")
                        if answer.is_success:
                            self.seen.setdefault(tenant, {})[answer.content] = None
                await asyncio.sleep(EVERY_S)

    @property
    def count(self) -> int:
        return sum(map(len, self.seen.values()))
