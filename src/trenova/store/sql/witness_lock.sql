-- Whether this transaction got the lock of the witness. The lock ends with the transaction, so also with a killed process.
SELECT pg_try_advisory_xact_lock(hashtextextended('trenova/witness/' || %(witness)s, 0))
