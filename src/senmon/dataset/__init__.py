"""Datasets: examples, loading, splits, hygiene, readiness, import."""
