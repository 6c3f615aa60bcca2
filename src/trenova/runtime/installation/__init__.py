"""An installation on one machine: its data folder, what runs from it, its logins, and the settings to use it.

`dev` creates and runs it; the command line, the servers and the doctor read it here. May import: config, errors.
"""

from pathlib import Path

DEFAULT_DATA_DIR = Path(".trenova")
