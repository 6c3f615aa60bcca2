"""The logins of the parts: each has the role that its part needs, and its password in the data folder."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    name: str
    role: str
    """Of the migrations: what the login may do."""
    secret: str
    """The file in the data folder's secrets that holds the password."""


API = Login(name="trenova_dev_api", role="trenova_api", secret="postgres-api")  # noqa: S106 - the name of a file
WORKER = Login(name="trenova_dev_worker", role="trenova_worker", secret="postgres-worker")  # noqa: S106 - the same
OPERATOR = Login(name="trenova_dev_operator", role="trenova_operator", secret="postgres-operator")  # noqa: S106 - the same
ALL = (API, WORKER, OPERATOR)
# Whose tables they are, and who migrates.
OWNER = Login(name="trenova_owner", role="", secret="postgres-owner")  # noqa: S106 - the same
# Of releases that had one login for all parts. Its password lies in `secrets/postgres-app`, where nobody reads it now.
FORMER = "trenova"
