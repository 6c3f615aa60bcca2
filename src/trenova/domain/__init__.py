"""What an audit entry is: its fields, its limits, and the one canonical form that is hashed, stored and exported.

May import: config, errors. No input or output, no clock: time, ids and limits come in as arguments. `intake` turns the
bytes of a request into `Sealed` entries, which go on to `ingest`.
"""
