-- The stored entries under these (tenant, id), and whether these batches stored them. A body is read only up to
-- `at_most` bytes: many short entries sent under the ids of long ones must not have all of those read.
SELECT e.tenant, e.id, e.index, e.salt, e.commitment,
    CASE WHEN octet_length(e.body) <= asked.at_most THEN e.body END AS body,
    e.body IS NOT NULL AS has_body,
    EXISTS (
        SELECT FROM batches AS b
        WHERE b.batch_id = ANY(%(batch_ids)s::text[]) AND b.tenant = e.tenant
            AND e.index >= b.first_index AND e.index < b.first_index + b.stored
    ) AS by_this_batch
FROM unnest(%(tenants)s::text[], %(ids)s::uuid[], %(at_most)s::bigint[]) AS asked (tenant, id, at_most)
JOIN entries AS e ON e.tenant = asked.tenant AND e.id = asked.id
