"""Everything on one machine: PostgreSQL, Temporal with its Web UI, the API and the worker, under one supervisor.

`trenova dev` calls `supervisor.run`. The two servers can also be started alone, by tests and tools:

    async with Postgres(folder).running() as postgres:  # trenova.dev.postgres
        await schema.prepare(postgres)                  # trenova.dev.schema: tables and the parts' logins
        use(postgres.owner_url, postgres.api_url, postgres.worker_url, postgres.operator_url)
    async with Temporal(folder).running() as temporal:  # trenova.dev.temporal
        use(temporal.address, temporal.namespace)

Both may share one folder, where they keep their data. As root, choose a folder that other users may enter.
`server_requirements` and `embedded` let a `trenova api` or `trenova worker` use the PostgreSQL of the data folder.
May import: worker (its check for polls), store (migrations and API keys), keys, runtime, domain, config, errors.
"""
