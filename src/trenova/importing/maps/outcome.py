"""The outcome of an event: `success`, `failure`, or `denied` if the caller was not allowed to."""

import re

SUCCESS, FAILURE, DENIED = "success", "failure", "denied"
BAD_REQUEST, UNAUTHORIZED, FORBIDDEN = 400, 401, 403
DENIAL = re.compile(
    r"access.?denied|permission.?denied|unauthori[sz]ed|not.?authori[sz]ed|unauthenticated|forbidden|auth.?failure|\b40[13]\b",
    re.IGNORECASE,
)


def from_http_status(status: int) -> str:
    """401 and 403 are denials, any other status from 400 on a failure."""
    if status in {UNAUTHORIZED, FORBIDDEN}:
        return DENIED
    return FAILURE if status >= BAD_REQUEST else SUCCESS


def from_error(code: str) -> str:
    """From the name or number of an error: `AccessDenied`, `Client.UnauthorizedOperation`, `403`."""
    return DENIED if DENIAL.search(code) else FAILURE
