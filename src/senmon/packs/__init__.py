"""Packs: manifest schema, loader, scaffold, permission to run a pack's Python."""
