SELECT set_config('search_path', %(path)s, true)
