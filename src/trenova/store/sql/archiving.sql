-- Whether the write-ahead log is archived, as a continuous backup does, and when that last succeeded and failed.
SELECT current_setting('archive_mode'), last_archived_time, last_failed_time FROM pg_stat_archiver
