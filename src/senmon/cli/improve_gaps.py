"""What `senmon gaps` shows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from senmon.cli import output
from senmon.cli.plain_text import plain, safe
from senmon.cli.state import with_store
from senmon.settings import Settings

if TYPE_CHECKING:
    from senmon.improvement.gaps import Drafted, Gap
    from senmon.store.store import Store

SAMPLES = 3


def show_gaps(
    settings: Settings,
    name: str,
    *,
    days: int | None,
    least: int,
    limit: int,
    draft: bool,
    json: bool,
) -> None:
    from senmon.dataset.loading import load_dataset
    from senmon.improvement.gaps import drafted, gaps
    from senmon.workspace import Workspace

    workspace = Workspace.open(settings)
    pack = workspace.pack(name)
    dataset = load_dataset(pack)
    since = datetime.now(UTC) - timedelta(days=days) if days else None

    async def work(store: Store) -> tuple[Gap, ...]:
        return await gaps(pack, dataset, store, workspace.encoder, since=since)

    with output.errors.status("grouping what went badly"):
        found = [gap for gap in with_store(settings, work) if gap.size >= least][:limit]
        made = drafted(pack, dataset, found) if draft else None
    data = {
        "gaps": [gap.to_json() for gap in found],
        "drafts": [dict(entry.record) for entry in made.made] if made else [],
        "refused": dict(made.refused) if made else {},
    }
    output.emit(data, _table(found, made, name), json=json)


def _table(found: list[Gap], made: Drafted | None, pack: str) -> RenderableType:
    if not found:
        return Text("Nothing went badly here, as far as is known. `senmon inbox` lists all packs.")
    table = Table("messages", "for example", "why", "what would help", show_lines=True)
    for gap in found:
        samples = list(dict.fromkeys(gap.messages))[:SAMPLES]
        why = ", ".join(f"{kind} {count}" for kind, count in gap.why.items())
        cells = (str(gap.size), "\n".join(f"“{text[:100]}”" for text in samples), why, _help(gap, pack))
        table.add_row(*map(safe, cells))
    parts: list[RenderableType] = [table]
    if made is not None:
        parts.append(Text(f"{len(made.made)} drafts wait: senmon review list {pack} --method traffic"))
        parts += [Text(plain(f"no draft: {why} ({count})")) for why, count in made.refused.items()]
    return Group(*parts)


def _help(gap: Gap, pack: str) -> str:
    if gap.kind == "wording":
        return f"more wordings of “{gap.intent}”, like “{gap.like[:80]}”: senmon gaps {pack} --draft"
    first = gap.ids[0]
    if gap.kind == "article":
        return f"the article {gap.article} answers it: senmon inbox correct {first} --article {gap.article} …"
    return (
        f"the pack has nothing for it: write an article or an action, then senmon inbox correct {first} …; "
        f"or it is none of its business: senmon inbox reroute {first} --pack none"
    )
