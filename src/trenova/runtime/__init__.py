"""What a process of ours stands on, and what holds no entry: each part is used by several programs.

`connection` is the way to Temporal and the errors on it, `temporal_sdk` the SDK's runtime, `http` how our HTTP servers
read requests, `installation` the data folder and the settings of what runs from it, `systemd` the service manager.
May import: codec, keys, config, domain, errors; no database and no workflow.
"""
