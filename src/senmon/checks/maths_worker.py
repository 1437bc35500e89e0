"""The worker process: `python -m senmon.checks.maths_worker` answers JSON lines with sympy.

It limits its own memory and processor time before sympy is loaded; the parent kills it when an answer
takes too long. Nothing but numbers, letters and signs that the grammar accepts ever reaches sympy.
"""

from __future__ import annotations

import json
import sys
from typing import TextIO

MEMORY_BYTES = 1 << 30
CPU_SECONDS = 300


def limit_resources() -> None:
    """POSIX only; elsewhere the parent's time limit stands alone."""
    try:
        import resource
    except ImportError:
        return
    for limit, wanted in ((resource.RLIMIT_AS, MEMORY_BYTES), (resource.RLIMIT_CPU, CPU_SECONDS)):
        _, hard = resource.getrlimit(limit)
        top = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(limit, (top, top))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def serve(source: TextIO, sink: TextIO) -> None:
    """Answers until the source ends. A question that fails is answered with null."""
    from senmon.checks.maths_sympy import answer

    _say(sink, {"ready": True})
    for line in source:
        request = json.loads(line)
        try:
            verdict = answer(request["task"], request["texts"], request["letter"])
        except MemoryError:
            raise
        except Exception:
            verdict = None
        _say(sink, {"id": request["id"], "verdict": verdict})


def _say(sink: TextIO, message: dict[str, object]) -> None:
    sink.write(json.dumps(message) + "\n")
    sink.flush()


if __name__ == "__main__":
    limit_resources()
    serve(sys.stdin, sys.stdout)
