"""What the pack's checks say against the replies of an example that is to be learned from."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from senmon.checks.registry import build_checks
from senmon.evaluation.scoring import context_of, passes
from senmon.messages import Message
from senmon.packs.pack import Pack


def judge_of(pack: Pack) -> Callable[[Sequence[Message]], tuple[str, ...]]:
    """A judge of conversations: a line per reply that a check would not release as it is."""
    checks = build_checks(pack.manifest.checks, system=pack.system)

    def judge(messages: Sequence[Message]) -> tuple[str, ...]:
        found = []
        for index, message in enumerate(messages):
            if message.role != "assistant" or not message.content.strip():
                continue
            context = context_of(pack, messages[:index])
            refusing = [check.name for check in checks if not passes(message.content, [check], context)]
            if refusing:
                found.append(f"the check {', '.join(refusing)} refuses the reply “{message.content[:60]}”")
        return tuple(found)

    return judge
