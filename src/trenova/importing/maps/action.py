"""Actions: dotted lower-case words (`s3.get_bucket_acl`) from the names that products give to what was done."""

import re
from functools import lru_cache

from trenova.importing.maps.error import MapError
from trenova.importing.maps.fields import shown

# Between a small letter or digit and a capital; before the last capital of a run that a word of small letters follows.
BOUNDARY = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
# The s of a plural belongs to its acronym: VPCs, ACLs.
PLURAL = re.compile(r"(?<=[A-Z]{2})s(?![a-z])")
LONGEST_NAME = 1000  # characters; what is longer is no name, and is kept out of the cache
FOREIGN = re.compile(r"[^a-z0-9_-]+")


def dotted(*names: str) -> str:
    """One action of several names, each of which may have dots. Raises MapError where a word has no letter or digit."""
    whole = ".".join(names)
    if len(whole) > LONGEST_NAME:
        raise MapError(f"the action: expected a name, found {len(whole):,} characters")
    words = [word(name) for name in whole.split(".") if name]
    if not words:
        raise MapError(f"the action: expected a name, found {shown(whole)}")
    return ".".join(words)


@lru_cache(maxsize=4096)
def word(name: str) -> str:
    """`GetBucketACL` as `get_bucket_acl`. A character that an action cannot have becomes an underscore."""
    cut = BOUNDARY.sub("_", PLURAL.sub("S", name))
    found = FOREIGN.sub("_", cut.lower()).strip("_-")
    if not found:
        raise MapError(f"the action: expected letters or digits of ASCII, found {shown(name)}")
    return found
