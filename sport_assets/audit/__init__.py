"""Asks the records: what something was made of, whether it is still as recorded, what else stands on it.

Belongs here: walking, verifying, comparing, bundling, from the records of ``lineage`` alone. Must not come here:
Dagster, torch, any sport, and whatever has to run or mark assets (``orchestration``).
"""
