-- The server, and what this session may do on it.
SELECT
    current_setting('server_version_num')::integer,
    current_setting('server_version'),
    current_database(),
    current_user,
    pg_is_in_recovery(),
    current_setting('default_transaction_read_only')::boolean,
    clock_timestamp()
