"""Everything on one machine: PostgreSQL, Temporal with its Web UI, the API and the worker, under one supervisor.

`supervisor.run` is what `trenova dev` calls. The two servers also start on their own, for tests and tools:

    async with Postgres(folder).running() as postgres:  # trenova.dev.postgres
        await schema.prepare(postgres)                  # trenova.dev.schema: tables and the parts' logins
        use(postgres.owner_url, postgres.api_url, postgres.worker_url, postgres.operator_url)
    async with Temporal(folder).running() as temporal:  # trenova.dev.temporal
        use(temporal.address, temporal.namespace)

Both may share one folder, and find their data again there. Give root a folder that other users may enter.
The API and the worker run as processes of their own. May import: worker (its check of a poll), store (migrations and
API keys), config, errors.
"""
