"""Actions: dotted lower-case words (`s3.get_bucket_acl`) from the names that products give their operations."""

import re
from functools import lru_cache

from trenova.importing.maps.error import MapError
from trenova.importing.maps.fields import quote

# Between a lower-case letter or digit and a capital; before the last capital of a run that lower-case letters follow.
BOUNDARY = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
# The s of a plural belongs to its acronym: VPCs, ACLs.
PLURAL = re.compile(r"(?<=[A-Z]{2})s(?![a-z])")
LONGEST_NAME = 1000  # characters; longer text is not a name, and stays out of the cache
FOREIGN = re.compile(r"[^a-z0-9_-]+")


def action_name(*names: str) -> str:
    """One action from several names, each of which may have dots. Raises MapError if a word has no letter or digit."""
    whole = ".".join(names)
    if len(whole) > LONGEST_NAME:
        raise MapError(f"the action: expected a name, found {len(whole):,} characters")
    words = [snake_case(name) for name in whole.split(".") if name]
    if not words:
        raise MapError(f"the action: expected a name, found {quote(whole)}")
    return ".".join(words)


@lru_cache(maxsize=4096)
def snake_case(name: str) -> str:
    """`GetBucketACL` as `get_bucket_acl`. A character that an action cannot have becomes an underscore."""
    separated = BOUNDARY.sub("_", PLURAL.sub("S", name))
    result = FOREIGN.sub("_", separated.lower()).strip("_-")
    if not result:
        raise MapError(f"the action: expected ASCII letters or digits, found {quote(name)}")
    return result
