"""The keys of an installation: keys that encrypt payloads, keys that sign ledgers, and the master key that wraps both.

`loading` makes the keyring of encryption keys, `signing` the signer of the ledgers, both from settings, environment
and files; each lists every problem in one error. Nothing here prints or logs a secret.
May import: ledger, domain, config, threads, tracing, errors.
"""
