"""From conversations to a better adapter: what to look at, what was decided, what is learnt of it."""
