"""`python -m trenova` is the command `trenova`."""

from trenova.cli.main import main

main()
