"""Finds accepted batches whose workflows closed without storing them, among the closed runs, and stores them.

Anyone with access to the namespace can terminate a workflow, or complete it with their own worker without storing
anything. The history holds the workflow's input for as long as the namespace's retention lasts. Used by the workers'
schedule and by `trenova reconcile`. May import: store, codec, domain, config, errors.
"""

from trenova.reconciliation.reconciler import Reconciler

__all__ = ["Reconciler"]
