"""Bases: the embedded one, and the loading of any other."""
