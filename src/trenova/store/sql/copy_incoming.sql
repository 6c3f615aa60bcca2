COPY pg_temp.incoming (
    ordinal, tenant, id, occurred_at, received_at, actor_type, actor_id, action, target_type, target_id, outcome,
    salt, commitment, body
) FROM STDIN (FORMAT BINARY)
