"""Benchmarks: each figure beside its ceiling, measured in turns in one run."""
