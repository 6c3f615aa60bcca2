"""The pure part of `trenova import`: reads records from files and maps them to entries. No network, no clock.

`read` yields the records of a source, or why one is refused; `maps` turns a product's record into an entry in the JSON
format of `POST /v1/entries`. May import: domain, errors. The entries go on to the command, which sends them.
"""
