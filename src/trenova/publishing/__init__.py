"""Publishing checkpoints: to witnesses, which cosign them, and as files in a folder.

Runs in the worker, independently of storing: an entry is stored whether or not a witness or the folder is reachable.
May import: store, runtime, codec, keys, ledger, domain, config, threads, tracing, errors.
"""
