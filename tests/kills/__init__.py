"""Runs that tune weights, killed at named moments and resumed. `python -m tests.kills` prints the table."""
