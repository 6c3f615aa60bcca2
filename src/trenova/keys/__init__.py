"""The keys of an installation: those that encrypt payloads, those that sign ledgers, and the master key over both.

`loading` makes the keyring of encryption keys and `signing` the signer of the ledgers, each from settings, environment
and files, with every problem in one error. Nothing here prints or logs a secret. May import: ledger, config, errors.
"""
