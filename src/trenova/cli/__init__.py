"""The command line: everything an operator does, without SQL and without reading code.

`main` runs it, `command_table` lists the commands, and each other module at this level is a command, a part of one, or
what several share (`options`, `api_client`, `database`, `data_folder_hint`). `terminal` prints.

The top of a module must stay cheap to import: `trenova --help` and shell completion load it. What is slow (the SDK, the
database driver, Rich, our own packages that need them) is imported by the function that uses it; ruff's TID253 and
tests/unit/cli/test_start.py check that.

Exit codes: 0 done, 1 failed (`error: …`, and `hint: …` with the next step), 2 wrong usage, 3 done in part (an import
with refused lines), 130 stopped by Ctrl-C, 141 the reader of standard output left. May import everything.
"""
