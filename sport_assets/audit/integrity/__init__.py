"""The single comparisons that ``verify`` puts together: records, chain, ledger, store, raw files, row indexes.

Belongs here: reading what lies on disk without believing it or changing it. Must not come here: what is verified when
(``verify``).
"""
