"""Repeatable measurements. `python -m benchmarks --help` compares optimizers on tasks; the rest is one file each."""
