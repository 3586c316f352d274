"""Writes and reads the records of what was made from what.

Belongs here: the store of versions, the records (manifests), the ledger that indexes and chains them, the gate that
decides what may be read, quarantine of bad rows, code versions. Must not come here: Dagster, torch, any sport.
"""
