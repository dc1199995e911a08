"""Benchmarks of Savor against what its users run today. `python -m benchmarks.versus_mlflow --help` says how."""
