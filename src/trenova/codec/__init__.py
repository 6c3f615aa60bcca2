"""Secrecy: how values become Temporal payloads, and how payloads are compressed and encrypted.

May import: keys, ledger, domain, config, threads, tracing, errors. No database, no HTTP. Payloads go to Temporal
through the one data converter that the API, the worker, the CLI and the replay tests share
(`converter.data_converter`), and to Temporal's CLI and Web UI through `endpoint`. `key_usage` finds out which keys the
payloads in Temporal need.
"""
