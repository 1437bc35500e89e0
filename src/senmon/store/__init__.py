"""Conversations, runs, events, feedback and keys, in SQLite or PostgreSQL."""
