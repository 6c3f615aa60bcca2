"""The fault test: everything dies, and what was acknowledged must be there exactly once. Run by `make chaos`.

plan → faults act on the rig while writers send and the watch keeps checkpoints → checks look from outside → report.
May import whatever it needs to start the product and to judge it; nothing imports it but its own tests.
"""
