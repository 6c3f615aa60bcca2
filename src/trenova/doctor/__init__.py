"""`trenova doctor` and `trenova preflight`: what is wrong with an installation, and what to do about it.

A check asks one question of a `Scene` (settings, and the ways to Temporal, the database and the API) and answers with a
`Verdict`. `checkup` asks them all at once, for a bounded time, and leaves out those that need one which failed.
`causes` tells which findings are causes, and which follow from another.
The questions are in `machine`, `temporal`, `database`, `keys`, `queue`, `api` and `log`, which change nothing; those of
the deployment checklist, which run workflows, in `boxes`. No line of an answer holds a secret or an entry's content.
"""
