"""Trainers at providers, over HTTP: each implements `Trainer`."""
