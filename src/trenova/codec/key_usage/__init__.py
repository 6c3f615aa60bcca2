"""Which encryption keys the payloads in Temporal need, and whether this process holds them.

`open_workflows` reads the histories of open workflows, `closed_workflows` those of closed ones, `schedules` what
schedules carry; `watch` raises an alarm about open workflows. May import: codec, keys, domain, config, errors.
"""
