"""How it ended: `success`, `failure`, or `denied` when the one who asked was not allowed to."""

import re

SUCCESS, FAILURE, DENIED = "success", "failure", "denied"
BAD_REQUEST, UNAUTHORIZED, FORBIDDEN = 400, 401, 403
REFUSAL = re.compile(
    r"access.?denied|permission.?denied|unauthori[sz]ed|not.?authori[sz]ed|unauthenticated|forbidden|auth.?failure|\b40[13]\b",
    re.IGNORECASE,
)


def of_http(status: int) -> str:
    """From an HTTP status: 401 and 403 are denied, any other from 400 on a failure."""
    if status in {UNAUTHORIZED, FORBIDDEN}:
        return DENIED
    return FAILURE if status >= BAD_REQUEST else SUCCESS


def of_error(code: str) -> str:
    """From the name of an error, or its number: `AccessDenied`, `Client.UnauthorizedOperation`, `403`."""
    return DENIED if REFUSAL.search(code) else FAILURE
