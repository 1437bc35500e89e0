"""Suites that go through the whole assistant: routing, retrieval, model, actions, checks."""
