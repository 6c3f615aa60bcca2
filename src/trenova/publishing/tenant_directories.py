"""The directory of each tenant in the published folder: unique on any file system, and never an internal one.

Tenants choose their names, but file systems have rules: names may be case-insensitive, a final dot may be dropped, a
name has at most 255 bytes, `.` and `..` lead elsewhere. So a directory name has lower-case letters, digits, `-`, `_`
and inner dots, and for any other byte `~` with its two hexadecimal digits. Names that begin with a dot are internal.
"""

import re
from hashlib import sha256
from pathlib import Path

INTERNAL = ".~trenova"
"""Holds the lock, and files that are being written. No release allows a tenant with this name."""
MAX_NAME_BYTES = 200
OTHER = re.compile(rb"^\.|\.\Z|[^a-z0-9._-]")


def directory_name(tenant: str) -> str:
    """The name of the tenant's directory; a hash of the tenant's name if it would be too long."""
    name = OTHER.sub(lambda match: b"~%02x" % match[0][0], tenant.encode()).decode()
    return name if len(name) <= MAX_NAME_BYTES else f"~~{sha256(tenant.encode()).hexdigest()}"


def former_directory_name(tenant: str) -> str:
    """The directory in which an earlier release published this tenant's checkpoints."""
    return tenant.replace(".", "%2E") if tenant in {".", ".."} else tenant


def directory(root: Path, tenant: str) -> Path:
    return root / directory_name(tenant)
