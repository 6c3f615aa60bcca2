"""Trenova: an audit log that loses nothing and can prove it.

The packages are the stations of one entry's journey: `api` checks and masks it, `ingest` gathers it into a batch,
`workflows` makes it durable in Temporal, `activities` puts it into the `store`. `README.md` shows the whole way.
"""

__version__ = "0.1.0"
