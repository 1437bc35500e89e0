"""More training examples from those that are there, for a person to review."""
