"""The database logins of the parts: each has the role that its part needs, and its password in the data folder."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    name: str
    role: str
    """The role, created by the migrations, whose rights the login has."""
    secret: str
    """The file in the data folder's secrets that holds the password."""


API = Login(name="trenova_dev_api", role="trenova_api", secret="postgres-api")  # noqa: S106 - the name of a file
WORKER = Login(name="trenova_dev_worker", role="trenova_worker", secret="postgres-worker")  # noqa: S106 - the same
OPERATOR = Login(name="trenova_dev_operator", role="trenova_operator", secret="postgres-operator")  # noqa: S106 - the same
ALL = (API, WORKER, OPERATOR)
# Owns the tables and runs the migrations.
OWNER = Login(name="trenova_owner", role="", secret="postgres-owner")  # noqa: S106 - the same
# The single login of former releases. Its password is still in `secrets/postgres-app`, but no longer used.
FORMER = "trenova"
