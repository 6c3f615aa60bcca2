-- Runs of rows that lie outside of the ledger.
SELECT min(index), max(index)
FROM (
    SELECT index, index - row_number() OVER (ORDER BY index) AS run
    FROM entries
    WHERE tenant = %(tenant)s AND (index < 0 OR index >= %(size)s)
) AS strays
GROUP BY run
ORDER BY 1
