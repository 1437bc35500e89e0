"""What the disk refuses, as an error that says what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from senmon.errors import TuningError


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Raises TuningError when `path` can't be written inside the block; what was there before stays."""
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, SafetensorError) as error:
        raise TuningError(
            f"{path}: could not be written ({error})",
            remedy="free disk space or check permissions, then tune again: it goes on from its checkpoint",
        ) from error
