"""Secrecy: how values become Temporal payloads, and how payloads are compressed and encrypted.

May import `trenova.errors`, `trenova.threads`, `trenova.config`, `trenova.domain`, `cryptography`, `msgspec` and
`temporalio`; knows no settings file, no database, no HTTP.
Payloads go on to Temporal through the one data converter that the API, the worker, the CLI and the replay tests share
(`converter.data_converter`), and to the CLI and Web UI of Temporal through `endpoint`.
"""
