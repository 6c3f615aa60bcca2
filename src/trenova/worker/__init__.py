"""The process that does the work: polls `audit-queue`, runs workflows and activities, drains on a signal.

Wires the store into the activities. May import: workflows, activities, store, connection, signing_keys, codec, config,
errors.
"""
