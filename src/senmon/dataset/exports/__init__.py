"""A pack's examples in the formats of other tools. What is written here is read back by `imports` alike."""
