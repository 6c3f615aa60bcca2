-- A name under which other transactions can import this snapshot, as long as this transaction lasts.
SELECT pg_export_snapshot()
