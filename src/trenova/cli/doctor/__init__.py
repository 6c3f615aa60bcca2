"""`trenova doctor` and `trenova preflight`: what is wrong with an installation, and what to do about it.

A check asks one question of a `Scene` (settings, and the ways to Temporal, the database and the API) and answers with a
`Verdict`. `checkup` asks them all at once, each for a bounded time, and leaves out those that need one which failed.
The questions are in `temporal`, `queue`, `keys`, `database`, `api`, `log` and `machine`; those of a pipeline, the boxes
of a deployment checklist, in `preflight`. Nothing here changes an installation, and no line holds a secret.
"""
