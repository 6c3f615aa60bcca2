"""What the routes work with."""

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
    """One dependency of the routes, not eight: Litestar starts a task for each that could be made beside another.

    Those tasks were a third of the time that the API spent on a request with a single entry.
    """

    settings: Settings
    store: Store
    client: Client
    ingest: GroupCommit
    body_budget: ByteBudget
    searches: ReadSlots
    """Of searches and lists, which may take long."""
    reads: ReadSlots
    """Of everything else that is read from the database, by its index."""
    lookups: KeyLookups
    open_keys: KeyWatch
    parts: CachedAnswer[tuple[ConnectionFault | None, str, str]]
    """What `/readyz` says of Temporal, the database and the keys."""
    from_temporal: tuple[ThrottledRefresh, ...]
    """Metrics whose numbers Temporal keeps."""
    log_keys: LedgerKeys
    core: SdkRuntime | None
    """None where the SDK measures nothing."""
