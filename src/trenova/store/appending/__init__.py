"""Appending one batch of entries: one transaction, which reads from top to bottom in `append`.

`append` has the steps in their order: copy the rows, lock the heads, insert what is new, extend and sign the trees,
write them, note the batch. Each step is a function of its own, and the other modules are about one thing each:

- `rows`: the bodies of a batch as rows for COPY
- `trees`: from locked heads and new commitments to grown, signed trees (no I/O)
- `checks`: what the database returns of each write, compared with what was sent to it (no I/O)
- `rejected_rows`: which rows of a batch the database rejects
- `parking`: the rejected entries become dead letters, in the same transaction

`store.entries` calls them for the API's batches, `store.dead_letters` for retries, `store.records` and
`store.retention` for entries of the system.
"""
