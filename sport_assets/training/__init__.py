"""Training: one spec, one entry point, one loop (PyTorch Lightning), checkpoints, tracking, export and parity.

Belongs here: everything between a `TrainingSpec` and a finished result folder or an exported model, for any line.
Must not be here: Dagster (its side is `orchestration`), any sport (lines are reached by import string only).
`spec`, `lease`, `job` and `errors` import nothing heavy, so the Dagster side may import them.
"""
