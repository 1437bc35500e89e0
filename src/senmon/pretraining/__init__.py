"""Pretraining: corpus → token shards → base."""
