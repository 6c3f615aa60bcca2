"""The fault test: every part dies, and each acknowledged entry must be stored exactly once. Run by `make chaos`.

plan → faults act on the rig while writers send and the watch keeps checkpoints → checks look from outside → report.
May import whatever it needs to start the product and to judge it; nothing imports it but its own tests.
"""
