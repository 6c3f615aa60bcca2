"""Why an entry is parked, as far as its sender may know.

The database's own words name tables, rules and logins: those are for whoever may read the dead letters. Trenova's own
words, whose codes are not SQLSTATEs, speak of the entry alone.
"""

from trenova.domain.seal_check import CLOCK, NOT_SEALED, RESERVED
from trenova.store.dead_letters import DUPLICATE

OUR_CODES = frozenset({NOT_SEALED, RESERVED, CLOCK, DUPLICATE})
RULE = "a rule of the database refuses this entry"
# By the class of the SQLSTATE, its first two characters.
SQLSTATE_CLASSES = {
    "22": "the database cannot hold a value of this entry",
    "23": RULE,
    "54": "this entry is beyond a limit of the database",
    "P0": RULE,
}
OTHER = "the database does not take this entry at the moment"


def reason_for_sender(code: str, reason: str) -> str:
    """A sentence without anything of the database's own text, with the code by which an operator knows the case."""
    if code in OUR_CODES:
        return reason
    return f"{SQLSTATE_CLASSES.get(code[:2], OTHER)} ({code})"
