"""The worker process: it polls `audit-queue`, runs workflows and activities, and drains on a signal.

It gives the activities their stores, and publishes checkpoints at the same time. May import: workflows, activities,
publishing, reconciliation, store, runtime, codec, keys, ledger, domain, config, errors.
"""
