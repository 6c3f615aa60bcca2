"""A witness (c2sp.org/tlog-witness): cosigns a log's checkpoints as long as each continues the one before.

To be run by somebody else than the log, on a machine that is not the log's. So it needs no database, no Temporal and
no settings, only its folder. `judgement` decides, `memory` remembers, `server` answers. May import: ledger, process,
errors.
"""
