"""What an audit entry is: its fields, its limits, and the one canonical form that is hashed, stored and exported.

May import: config, threads, tracing, errors. No I/O, no clock: time, ids and limits come in as arguments. `intake`
turns the bytes of a request into `SealedEntry` objects, which go on to `ingest`.
"""
