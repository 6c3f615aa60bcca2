-- Some statements of a verification read a whole table, and the transaction is idle while workers check.
SELECT set_config('idle_in_transaction_session_timeout', '0', true), set_config('statement_timeout', '0', true)
