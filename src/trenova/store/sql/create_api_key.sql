-- A new key and the record of it. See the function in r0009_records.sql.
SELECT create_api_key(%(id)s, %(hash)b, %(name)s, %(tenant)s, %(role)s, %(by)s)
