"""A second opinion on replies. Nothing here is shared with the checks that guard them."""
