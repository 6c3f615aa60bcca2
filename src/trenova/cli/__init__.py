"""The command line: everything an operator does, without SQL and without reading code.

Exit codes: 0 done, 1 failed (`error: …`, and `hint: …` with the next step), 2 wrong usage, 3 done in part (an import
that refused lines), 130 stopped by Ctrl-C. May import everything.
"""
