"""The HTTP API: authentication, request checks, and answers that promise nothing that is not durable.

May import: ingest, importing, workflows, store, runtime, codec, keys, ledger, domain, config, tracing, errors.
"""
