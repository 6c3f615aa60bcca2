"""A witness (c2sp.org/tlog-witness): cosigns a log's checkpoints as long as each continues the previous one.

A log here is any transparency log, such as a ledger. A witness is run by a party other than the log's operator, on
another machine: it needs no database, Temporal or settings, only its folder. `decision` decides, `state` stores,
`server` answers, `evidence` saves proof of misbehaviour. May import: what `.importlinter` lists from workflows down; it
needs only runtime, ledger and errors.
"""
