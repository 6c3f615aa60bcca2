"""`trenova doctor` and `trenova preflight`: what is wrong with an installation, why, and what to do about it.

A check asks one question of a `CheckContext` (the settings, and connections to Temporal, the database and the API) and
returns a `Verdict`. `checkup` runs all checks concurrently, each for a bounded time, and skips a check if one that it
needs has failed. `causes` separates findings that are causes from those that follow from another.

The checks of the doctor change nothing; they are in `machine`, `temporal`, `database`, `keys`, `queue`, `api`, `ledger`
and `publishing`. Those that only preflight has are in `deployment`; they run workflows. No answer contains a secret or
the content of an entry.

No terminal: it returns findings, and `cli` prints them. It never imports `cli`, `dev`, `typer` or `rich`. May import:
worker, importing, client, witness, ingest, workflows, publishing, store, runtime, codec, keys, ledger, domain, config,
errors.
"""
