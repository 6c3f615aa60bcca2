"""Audit events of other products, and entries, out of files: everything of `trenova import` but the command itself.

`read` yields the records of a source, each parsed or with the reason why it is refused. `maps` turns the record of a
product into an entry in the JSON format of `POST /v1/entries`. Neither uses a network or a clock. `chunks` groups the
entries into requests, `tally` counts what became of them. The command line sends them through the client.

May import: client (the answers that `tally` counts), domain, config, errors. Nothing here prints or asks.
"""
