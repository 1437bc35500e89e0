"""Stories, rules, checkpoints and forms put together: straight lists of steps from the first user turn on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from senmon.dataset.rasa.bot import (
    ActionStep,
    Asked,
    Bot,
    CheckpointStep,
    LoopStep,
    Place,
    Step,
    Story,
    UserStep,
)

#: Continuations behind one checkpoint, and checkpoints in one path, at most.
MAX_BRANCHES = 12
MAX_JOINS = 5
#: Ways through one story's checkpoints, at most.
MAX_WAYS = 50
Steps = tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class StoryPath:
    """One way through a story. `name` and `place` are the story's."""

    name: str
    kind: str
    place: Place
    steps: Steps


def find_paths(bot: Bot) -> tuple[tuple[StoryPath, ...], tuple[StoryPath, ...]]:
    """Paths to learn from, and paths of the tests. What can't be begun or ended is noted in the bot."""
    learnt = [story for story in bot.stories if story.kind != "test"]
    submits = _submits(bot, learnt)
    used = {id(story) for story, _ in submits.values()}
    rest = [story for story in learnt if id(story) not in used]
    joined = _joined(bot, rest)
    endings = {form: steps for form, (_, steps) in submits.items()}
    begun = [_ended(path, bot, endings) for path in joined]
    starts = _starts(bot, begun)
    paths = tuple(whole for path in begun for whole in _from_user(bot, path, starts))
    tests = _joined(bot, [story for story in bot.stories if story.kind == "test"])
    return paths, tuple(path for path in tests if isinstance(path.steps[0], UserStep))


def _submits(bot: Bot, stories: Sequence[Story]) -> Mapping[str, tuple[Story, Steps]]:
    """Form → the rule that says what follows when it is filled, and those steps."""
    found: dict[str, tuple[Story, Steps]] = {}
    for story in stories:
        form = story.in_form
        if not form or form not in bot.forms or form in found:
            continue
        steps = [step for step in story.steps if not (isinstance(step, ActionStep) and step.name == form)]
        ends = isinstance(steps[0], LoopStep) and not steps[0].name if steps else False
        if ends and not isinstance(story.steps[0], UserStep):
            found[form] = (story, tuple(steps[1:]))
    return found


def _ended(path: StoryPath, bot: Bot, endings: Mapping[str, Steps]) -> StoryPath:
    """A path that ends while a form is active goes on with the form's end."""
    active = ""
    for step in path.steps:
        if isinstance(step, LoopStep) or (isinstance(step, ActionStep) and step.name in bot.forms):
            active = step.name
    if active not in endings:
        return path
    closing = (ActionStep(active, path.place), LoopStep("", path.place), *endings[active])
    return StoryPath(path.name, path.kind, path.place, (*path.steps, *closing))


# --- checkpoints


def _joined(bot: Bot, stories: Sequence[Story]) -> list[StoryPath]:
    pieces = [piece for story in stories for piece in _pieces(story)]
    behind: dict[str, list[tuple[Story, Steps]]] = defaultdict(list)
    for story, steps in pieces:
        if isinstance(steps[0], CheckpointStep):
            behind[steps[0].name].append((story, steps[1:]))
    reached: set[str] = set()
    paths: list[StoryPath] = []
    for story, steps in pieces:
        if not isinstance(steps[0], CheckpointStep):
            ways = list(islice(_continued(bot, story, steps, behind, reached, MAX_JOINS), MAX_WAYS + 1))
            if len(ways) > MAX_WAYS:
                why = f"its checkpoints make more than {MAX_WAYS} ways; the first ones are taken"
                bot.note(story.kind, story.place, f"“{story.name}”", why)
            for whole in filter(None, ways[:MAX_WAYS]):
                paths.append(StoryPath(story.name, story.kind, story.place, _in_form(bot, story, whole)))
    for name in sorted(set(behind) - reached):
        story = behind[name][0][0]
        bot.note("story", story.place, f"“{story.name}”", f"no story leads to its checkpoint `{name}`")
    return paths


def _pieces(story: Story) -> Iterator[tuple[Story, Steps]]:
    """The story, cut at checkpoints in its middle."""
    piece: list[Step] = []
    for index, step in enumerate(story.steps):
        piece.append(step)
        if isinstance(step, CheckpointStep) and 0 < index < len(story.steps) - 1:
            yield story, tuple(piece)
            piece = [step]
    if any(not isinstance(step, CheckpointStep) for step in piece):
        yield story, tuple(piece)


def _continued(
    bot: Bot,
    story: Story,
    steps: Steps,
    behind: Mapping[str, Sequence[tuple[Story, Steps]]],
    reached: set[str],
    joins: int,
) -> Iterator[Steps]:
    last = steps[-1] if steps else None
    if not isinstance(last, CheckpointStep):
        yield steps
        return
    reached.add(last.name)
    following = behind.get(last.name, ())
    if not following:
        bot.note("story", last.place, f"checkpoint `{last.name}`", "no story goes on from it")
    if not following or not joins:
        yield steps[:-1]
        return
    if len(following) > MAX_BRANCHES:
        why = f"{len(following)} stories go on from it; {MAX_BRANCHES} are followed from each story"
        bot.note("story", last.place, f"checkpoint `{last.name}`", why)
    for other, more in following[:MAX_BRANCHES]:
        for rest in _continued(bot, other, more, behind, reached, joins - 1):
            yield (*steps[:-1], *rest)


def _in_form(bot: Bot, story: Story, steps: Steps) -> Steps:
    """A rule that holds within a form begins with that form being active."""
    form = story.in_form
    if not form or form not in bot.forms or not isinstance(steps[0], UserStep):
        return steps
    return (ActionStep(form, story.place), LoopStep(form, story.place), *steps)


# --- the first user turn


def _starts(bot: Bot, paths: Sequence[StoryPath]) -> Mapping[str, tuple[Steps, ...]]:
    """Action → what may lead to it: a user turn and the steps up to the action."""
    found: dict[str, list[Steps]] = defaultdict(list)
    for path in paths:
        since = -1
        for index, step in enumerate(path.steps):
            if isinstance(step, UserStep):
                since = index
            elif isinstance(step, ActionStep) and since >= 0:
                lead = path.steps[since : index + 1]
                if lead not in found[step.name] and len(lead) <= 4:
                    found[step.name].append(lead)
    for intent in bot.intents.values():
        if intent.triggers:
            step = ActionStep(intent.triggers, intent.place)
            found[intent.triggers].append((_user(intent.name, intent.place), step))
    return {name: tuple(sorted(leads, key=len)[:3]) for name, leads in found.items()}


def _user(intent: str, place: Place) -> UserStep:
    return UserStep((Asked(intent),), place)


def _from_user(bot: Bot, path: StoryPath, starts: Mapping[str, tuple[Steps, ...]]) -> Iterator[StoryPath]:
    """Paths that begin with a user turn. One that begins with an action gets what may lead to it."""
    acts = [index for index, step in enumerate(path.steps) if isinstance(step, (ActionStep, UserStep))]
    if not acts:
        bot.note(path.kind, path.place, f"“{path.name}”", "has neither a user turn nor an action")
        return
    steps = path.steps[acts[0] :]
    if isinstance(steps[0], UserStep):
        yield StoryPath(path.name, path.kind, path.place, steps)
        return
    first = steps[0]
    leads = starts.get(first.name, ()) if isinstance(first, ActionStep) else ()
    if not leads:
        why = "begins with an action that no user turn leads to"
        bot.note(path.kind, path.place, f"“{path.name}”", why, "begin it with an intent")
    for lead in leads:
        yield StoryPath(path.name, path.kind, path.place, (*lead, *steps[1:]))
