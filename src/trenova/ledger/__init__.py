"""Proof: one Merkle tree per tenant, signed checkpoints, and a verifier that needs nothing else of Trenova.

Works on bytes and integers: no entries, database, clock or async. May import: errors; `signing.py` alone imports
`cryptography`. The store passes in commitments and saves the hashes and checkpoints that come out. It hands out tiles,
receipts and evidence files, which `verify`, `evidence` or `verify_evidence.py` check.
"""
