"""Foundations that several programs share and that hold no entry.

`bootstrap` is what API server and worker set up at start, `connection` the client of Temporal and the causes of its
errors, `temporal_sdk` the SDK's runtime, `http` what our HTTP servers share, `installation` the data folder and the
settings that follow from it, `systemd` the service manager. May import: codec, keys, config, tracing, errors.
"""
