"""Evidence files: a log, or a range of it, in one file that proves itself (docs/evidence.md has the format).

`lines` is the format, `write` makes a file from rows of the store, `check` reads one and names every damaged place.
`verify_evidence.py` does what `check` does without a line of this package; a test compares their verdicts.
"""
