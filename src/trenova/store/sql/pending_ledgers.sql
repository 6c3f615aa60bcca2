-- The ledgers that have records which are not appended yet.
SELECT DISTINCT tenant FROM system_records WHERE appended_at IS NULL ORDER BY tenant LIMIT %(limit)s
