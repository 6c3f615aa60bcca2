"""How many rows a write beside an append changed, compared with how many it should have. No I/O.

A difference means that something in the database drops or changes rows: LedgerDamaged, as in `appending.checks`.
"""

from trenova.errors import LedgerDamaged

COMPARE_RULES = (
    "run `trenova doctor`, which compares triggers and rules with this program's: entries wait, and none is lost"
)


def check_letters(expected: int, changed: int) -> None:
    if changed != expected:
        raise LedgerDamaged(
            f"parked entries that were retried: expected {expected} changed rows, got {changed}", hint=COMPARE_RULES
        )


def check_emptied(tenant: str, expected: int, emptied: int) -> None:
    if emptied != expected:
        raise LedgerDamaged(
            f"a removal from the ledger {tenant}: expected {expected} entries without content, got {emptied}",
            hint=COMPARE_RULES,
        )


def check_recorded(tenant: str, expected: int, marked: int) -> None:
    if marked != expected:
        raise LedgerDamaged(
            f"records of the ledger {tenant}: expected {expected} marked as appended, got {marked}", hint=COMPARE_RULES
        )
