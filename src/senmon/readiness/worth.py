"""What a suggestion is worth, in words."""

from __future__ import annotations


def worth(points: float) -> str:
    """What the score gains; little is not told as nothing."""
    return f"+{points:.1f} points" if points >= 0.05 else "under 0.1 points"
