"""Accepted batches whose workflows ended without storing them: found among the closed runs, and stored.

Whoever has access to the namespace can end a workflow, and a worker of theirs can complete one without storing
anything. The history keeps what the workflow was started with for as long as the namespace's retention lasts. The
workers' schedule and `trenova reconcile` go through here. May import: store, batch_input, domain, config, errors.
"""

from trenova.reconciliation.reconciler import Reconciler

__all__ = ["Reconciler"]
