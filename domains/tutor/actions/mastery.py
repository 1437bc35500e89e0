"""What the tutor keeps of a pupil's skills: senmon's own knowledge tracing."""

from senmon.mastery import (
    MOST,
    PRIOR,
    Observation,
    added,
    mastery,
    observations,
    standings,
    traced,
    weakest,
)

__all__ = ["MOST", "PRIOR", "Observation", "added", "mastery", "observations", "standings"]
__all__ += ["traced", "weakest"]
