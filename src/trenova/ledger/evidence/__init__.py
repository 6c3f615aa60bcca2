"""Evidence files: a ledger, or a range of it, in one file that can be verified offline (format: docs/evidence.md).

`lines` encodes and decodes the format, `write` makes a file from rows of the store, `check` names every damaged place
in a file. `verify_evidence.py` does the same as `check` and imports nothing of this package; a test compares their
verdicts. May import: ledger, errors.
"""
