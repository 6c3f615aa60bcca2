"""Proof: one Merkle tree per tenant, signed checkpoints, and a verifier that needs nothing of ours.

Knows bytes and integers only: no entry, no database, no clock, no async. Imports the standard library and `errors`,
and in `signing.py` alone `cryptography`. The store hands over commitments, keeps the hashes and checkpoints it gets
back, and hands out tiles, receipts and evidence files, which `verify`, `evidence` or `verify_evidence.py` check.
"""
