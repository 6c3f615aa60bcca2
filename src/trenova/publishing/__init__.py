"""Showing the checkpoints around: to witnesses, who cosign them, and as files in a folder.

Runs in the worker, beside the journey of the entries and never in its way: an entry is stored whether or not anybody
is there to see it. May import: store, ledger, config, errors.
"""
