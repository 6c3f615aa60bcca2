-- Store what is new with the next indexes. Returns for each tenant the first and the last index, and the values that
-- identify each row (commitment, salt, id), joined in the order of the ledger. Runs with the heads locked, in a
-- snapshot taken after the lock, so what the condition finds is final and no unique constraint can be violated. No
-- id of a tenant is twice in `incoming`.
WITH fresh AS (
    INSERT INTO entries (
        tenant, index, id, occurred_at, received_at, actor_type, actor_id, action, target_type, target_id, outcome,
        salt, commitment, body
    )
    SELECT
        i.tenant,
        h.size + row_number() OVER (PARTITION BY i.tenant ORDER BY i.ordinal) - 1,
        i.id, i.occurred_at, i.received_at, i.actor_type, i.actor_id, i.action, i.target_type, i.target_id, i.outcome,
        i.salt, i.commitment, i.body
    FROM pg_temp.incoming AS i
    JOIN heads AS h ON h.tenant = i.tenant
    -- OFFSET 0: an index lookup for each row. For a join the planner would sometimes read the whole ledger.
    WHERE NOT EXISTS (SELECT FROM entries AS e WHERE e.tenant = i.tenant AND e.id = i.id OFFSET 0)
    RETURNING tenant, index, commitment, salt, id
)
SELECT tenant, min(index), max(index), string_agg(commitment || salt || uuid_send(id), ''::bytea ORDER BY index)
FROM fresh
GROUP BY tenant
ORDER BY tenant
