"""Which move a message makes likely, learnt from a pack's own conversations."""
