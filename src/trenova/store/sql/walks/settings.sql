-- Have an ORDER BY answered from the index that has its order, and from the index alone where that is possible.
SELECT set_config(name, 'off', true)
FROM unnest(ARRAY['enable_seqscan', 'enable_bitmapscan', 'enable_sort', 'enable_incremental_sort', 'jit']) AS name
UNION ALL
SELECT set_config(name, '0', true)
FROM unnest(ARRAY['max_parallel_workers_per_gather', 'statement_timeout']) AS name
