"""Problems in bounded number: the first ones in full, the rest counted."""

from __future__ import annotations

from senmon.errors import DataInvalid, Problem

MOST = 200


class ProblemList:
    """Keeps the first `most` problems and counts all."""

    def __init__(self, most: int = MOST) -> None:
        self.most = most
        self.count = 0
        self._kept: list[Problem] = []

    def add(self, problem: Problem) -> None:
        self.count += 1
        if len(self._kept) < self.most:
            self._kept.append(problem)

    @property
    def kept(self) -> tuple[Problem, ...]:
        return tuple(self._kept)

    def error(self, subject: str) -> DataInvalid:
        """A DataInvalid of the problems kept; its message tells how many there are."""
        plural = "s" if self.count != 1 else ""
        beyond = f" (the first {self.most} are listed)" if self.count > self.most else ""
        return DataInvalid(f"{subject}: {self.count} problem{plural}{beyond}", self._kept)
