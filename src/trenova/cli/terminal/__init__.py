"""What every command reads and writes with: tables and progress bars, JSON, and pipes that may be closed.

May import: errors. Only `screen` imports Rich, so only what prints a table imports `screen`.
"""
