"""What the handlers work with."""

from dataclasses import dataclass

from temporalio.client import Client

from trenova.api.cached_answer import CachedAnswer
from trenova.api.key_lookups import KeyLookups
from trenova.api.ledger_keys import LedgerKeys
from trenova.api.read_slots import ReadSlots
from trenova.api.throttled_metrics import ThrottledRefresh
from trenova.codec.key_usage.watch import KeyWatch
from trenova.config import Settings
from trenova.ingest import GroupCommit
from trenova.runtime.connection import ConnectionFault
from trenova.runtime.http.byte_budget import ByteBudget
from trenova.runtime.temporal_sdk import SdkRuntime
from trenova.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """One dependency of the handlers instead of eight: Litestar starts a task for each of several independent ones.

    Those tasks took a third of the time that the API spends on a request with one entry.
    """

    settings: Settings
    store: Store
    client: Client
    ingest: GroupCommit
    body_budget: ByteBudget
    search_slots: ReadSlots
    """For searches and lists, which may take long."""
    read_slots: ReadSlots
    """For everything else that is read from the database, by an index."""
    lookups: KeyLookups
    open_keys: KeyWatch
    readiness: CachedAnswer[tuple[ConnectionFault | None, str, str]]
    """What `/readyz` reports of Temporal, the database and the keys."""
    temporal_metrics: tuple[ThrottledRefresh, ...]
    """Metrics whose values come from Temporal."""
    ledger_keys: LedgerKeys
    core: SdkRuntime | None
    """None if the SDK measures nothing."""
