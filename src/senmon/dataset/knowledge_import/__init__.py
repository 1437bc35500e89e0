"""Help centres and FAQ tables → a pack's knowledge articles."""
