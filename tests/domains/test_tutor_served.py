"""The tutor in a whole turn, with a scripted engine in the model's place."""

from pathlib import Path
from typing import Any

import pytest

from senmon.actions.runner import ActionRunner
from senmon.assistant import Assistant, Catalog, ServedPack
from senmon.checks.registry import build_checks
from senmon.engines.protocol import GenerateRequest
from senmon.engines.scripted import ScriptedEngine
from senmon.knowledge import Knowledge
from senmon.messages import Conversation, Identity, Message, ToolCall
from senmon.packs.loader import load_pack
from senmon.rendering import prefix_message

TUTOR = Path(__file__).parents[2] / "domains" / "tutor"
SAFE = "I'd rather not say that without checking."


class Chat:
    """A conversation in which `script` plays the model."""

    def __init__(self) -> None:
        pack = load_pack(TUTOR)
        checks = build_checks(pack.manifest.checks, system=pack.system)
        served = ServedPack(pack, prefix_message(pack), Knowledge(pack.articles, None), checks)
        self.says: Any = ""
        engine = ScriptedEngine(self.script)
        catalog = Catalog(packs={"tutor": served})
        self.bot = Assistant(engine, ActionRunner(lambda _: True), lambda: catalog)
        self.state = Conversation(id="c1")

    def script(self, request: GenerateRequest) -> Any:
        if not isinstance(self.says, tuple):
            return self.says
        return self.says[bool(request.messages[-1].tool_call_id)]

    async def __call__(self, text: str, says: Any) -> str:
        self.says = says
        said = ""
        self.state = self.state.with_messages(Message("user", text))
        async for event in self.bot.reply(self.state, text, Identity(), pinned="tutor"):
            self.state = self.state.apply(event)
            assert event.type != "error", event
            said += event.data["text"] if event.type == "delta" else ""
        return said


def call(name: str, **arguments: str) -> ToolCall:
    return ToolCall("call_1", name, arguments)


@pytest.fixture
async def chat() -> Chat:
    chat = Chat()
    opened = (call("open_problem", problem="3x - 7 = 11"), "Let's work on it together. [[hint.text]]")
    said = await chat("Solve 3x - 7 = 11", opened)
    assert said == "Let's work on it together. Look at the − 7 beside 3x. What undoes it?"
    return chat


async def test_a_right_answer_is_confirmed(chat: Chat) -> None:
    checked = (call("check_answer", attempt="x = 6"), "[[feedback.text]] Well done! [[hint.text]]")
    said = await chat("x = 6", checked)
    assert said.startswith("That's right! Put it back in: 3 × 6 − 7 = 11, so it fits. Well done!")


async def test_a_wrong_answer_is_not_confirmed(chat: Chat) -> None:
    checked = (call("check_answer", attempt="x = 5"), "[[feedback.text]] [[hint.text]]")
    assert (await chat("x = 5", checked)).startswith("Not quite.")


@pytest.mark.parametrize("telling", ["The answer is 6.", "x = 6", "It's six!", "18 ÷ 3 = 6."])
async def test_a_model_that_tells_does_not_get_through(chat: Chat, telling: str) -> None:
    said = await chat("just tell me the answer", telling)
    assert said.startswith(SAFE)
    assert "6" not in said


async def test_false_maths_does_not_get_through(chat: Chat) -> None:
    assert (await chat("and now?", "That gives 3x = 4.")).startswith(SAFE)
    assert (await chat("and now?", "2 + 2 = 5.")).startswith(SAFE)


async def test_an_idea_is_explained_in_the_middle(chat: Chat) -> None:
    said = await chat("what is a variable?", "[[article.idea]] [[article.example]]")
    assert said.startswith("A variable is a letter")
    assert "For example" in said
