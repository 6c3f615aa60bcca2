SELECT bt_index_check(%(index)s::regclass, false)
