"""The HTTP door: who may ask, what they sent, and answers that promise nothing that is not durable.

May import: ingest, store, connection, signing_keys, codec, ledger, domain, config, errors.
"""
