"""The process that does the work: polls `audit-queue`, runs workflows and activities, drains on a signal.

Wires the store into the activities, and publishes the checkpoints meanwhile. May import: workflows, activities,
publishing, store, connection, signing_keys, codec, config, errors.
"""
