DELETE FROM retention_policies WHERE tenant = %(tenant)s RETURNING clock_timestamp()
