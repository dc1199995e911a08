"""Benchmarks of Savor against its limit and against what its users run today: `python -m benchmarks --help`."""
