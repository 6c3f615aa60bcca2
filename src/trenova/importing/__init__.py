"""`trenova import`: reads records from files, maps them to entries and sends them.

`read` yields the records of a source, or why one is refused; `maps` turns a product's record into an entry in the JSON
format of `POST /v1/entries`; neither has a network or a clock, and both may import: domain, errors. `command` sends the
entries through the client in the pieces that `chunks` makes, and `tally` keeps count.
"""
