"""Which directory of the published folder a tenant has: one of its own, on any file system, and none of ours.

Tenants choose their names, and a file system has its own rules for them: upper and lower case may be one, a final dot
may be none, a name has 255 bytes at most, `.` and `..` lead elsewhere. So a directory has lower-case letters, digits,
`-`, `_` and dots in the middle, and for any other byte `~` with its two hexadecimal digits. Names that begin with a dot
are ours.
"""

import re
from hashlib import sha256
from pathlib import Path

INTERNAL = ".~trenova"
"""In it lie the lock, and files that are being written. No release has ever had a tenant of this name."""
MAX_NAME_BYTES = 200
_OTHER = re.compile(rb"^\.|\.\Z|[^a-z0-9._-]")


def directory_name(tenant: str) -> str:
    """The name of the tenant's directory. One that would be too long is the hash of the tenant's name."""
    name = _OTHER.sub(lambda found: b"~%02x" % found[0][0], tenant.encode()).decode()
    return name if len(name) <= MAX_NAME_BYTES else f"~~{sha256(tenant.encode()).hexdigest()}"


def former_directory_name(tenant: str) -> str:
    """Where an earlier release has published this tenant's checkpoints."""
    return tenant.replace(".", "%2E") if tenant in {".", ".."} else tenant


def directory(root: Path, tenant: str) -> Path:
    return root / directory_name(tenant)
