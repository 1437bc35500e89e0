"""A simulated pupil with a misconception, and tutors to teach it."""
