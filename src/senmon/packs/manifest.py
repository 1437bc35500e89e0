"""The schema of `pack.yaml`. Frozen, extra fields forbidden, every field described.

`PackManifest.model_json_schema()` is what editors use (exported to `docs/pack.schema.json`).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from senmon.packs.http_spec import HttpCall, HttpService
from senmon.packs.strict import Strict as Strict

#: Model names on the OpenAI API that can't be pack names.
RESERVED_NAMES = frozenset({"auto", "none", "router", "base"})
NAME_PATTERN = r"^[a-z][a-z0-9_-]{0,47}$"
Name = Annotated[str, Field(pattern=NAME_PATTERN)]
Positive = Annotated[int, Field(gt=0)]


class Persona(Strict):
    """How the assistant presents itself."""

    name: str = Field("Assistant", description="Name shown to visitors.", max_length=60)
    tone: str = Field("", description="One sentence on how it speaks; for authors, not for the prompt.")


class Data(Strict):
    """Where the examples are and how they are split."""

    train: tuple[str, ...] = Field(("data/*.jsonl",), description="Glob patterns, relative to the pack.")
    valid_percent: int = Field(
        10,
        ge=1,
        le=50,
        description="Share of examples held out, chosen by hash, for examples without a split.",
    )


class ContextRules(Strict):
    """What enters the conversation as a context message at each turn."""

    passages: int = Field(0, ge=0, le=5, description="How many knowledge passages at most.")
    passage_tokens: Positive = Field(300, description="Token budget of the passages together.")
    min_score: float = Field(0.35, description="Passages below this retrieval score are left out.")
    date: bool = Field(False, description="Tell the model today's date.")
    customer: bool = Field(False, description="Tell the model whether the customer is verified.")
    likely: bool = Field(
        False,
        description="Tell the model which action or answer a message makes likely, by a small classifier "
        "that is learnt from the pack's conversations when it is tuned.",
    )
    alone: tuple[str, ...] = Field(
        (),
        description="Moves (actions, `answer`) that need nothing said before: a message that makes one of "
        "them clearly likely by itself is answered without the earlier turns. Needs `likely`.",
    )
    bind: float = Field(
        0.0,
        ge=0,
        le=1,
        description="From this probability on a likely action, or `answer`, is what a reply begins with, and "
        "a message of several such wishes, each with its own value, is answered wish by wish; 0: the model "
        "decides. Needs `likely`.",
    )


class ActionSpec(Strict):
    """An action that the model may call: a rasa-sdk action, or a declared HTTP call."""

    name: str = Field(
        description="Name of the rasa-sdk action (`Action.name()`).", pattern=r"^[a-zA-Z][\w-]{0,63}$"
    )
    description: str = Field(
        description="One line for the model: when to call it.", min_length=1, max_length=200
    )
    parameters: dict[str, Any] = Field(
        default_factory=lambda: {"type": "object", "properties": {}},
        description="JSON Schema (an object schema) of the arguments. Arguments go to same-named slots.",
    )
    candidates: dict[str, str] = Field(
        default_factory=dict,
        description="Argument → regular expression. The model may only choose among its matches in the "
        "user's words and in earlier results.",
    )
    latest: tuple[str, ...] = Field(
        (),
        description="Arguments whose candidates come from the user's latest message alone, where it has any: "
        "what a pupil tries now, not what was tried before.",
    )
    identity: Literal["none", "customer"] = Field(
        "none", description="`customer`: runs only for a verified customer, enforced by the server."
    )
    reply: Literal["rephrase", "verbatim"] = Field(
        "rephrase",
        description="`verbatim`: the action's own text is the reply. `rephrase`: the model words it, "
        "with facts by reference.",
    )
    label: str = Field("", description="Shown while it runs, for example `looking up your order`.")
    timeout_seconds: float = Field(10.0, gt=0, le=120, description="An action that takes longer has failed.")
    handover: bool = Field(
        False,
        description="Passes the conversation on to a person and runs nothing. Its argument `reason`, if "
        "there is one, tells why.",
    )
    http: HttpCall | None = Field(
        None, description="The request that this action is, instead of Python code."
    )


class Actions(Strict):
    """The actions of a pack and where they run."""

    runtime: Literal["in_process", "server", "http"] = Field(
        "in_process",
        description="`in_process`: `actions.py` of the pack. `server`: a rasa-sdk action server. `http`: "
        "requests, declared by the `http` of each action; single ones may have it under any runtime.",
    )
    url: str = Field(
        "", description="Webhook of the action server, for example http://127.0.0.1:5055/webhook."
    )
    http: HttpService = Field(HttpService(), description="What the HTTP actions share.")
    specs: tuple[ActionSpec, ...] = Field((), description="The actions that the model may call.")
    reader: str = Field(
        "",
        description="An action that the server runs on every message before the model writes, and that the "
        "model can't call. Its JSON may name the call that the message is (`docs/packs.md`); then the server "
        "makes it.",
        pattern=r"^([a-zA-Z][\w-]{0,63})?$",
    )


class CheckSpec(Strict):
    """A check by name, with its options."""

    name: str = Field(description="Name of a check (see `docs/packs.md`).")
    options: dict[str, Any] = Field(default_factory=dict, description="Options of this check.")


class Lora(Strict):
    """LoRA parameters, PEFT's names."""

    rank: int = Field(16, ge=1, le=256, description="Rank r.")
    alpha: float = Field(32.0, gt=0, description="Scaling numerator.")
    dropout: float = Field(0.0, ge=0, lt=1, description="LoRA dropout. 0 keeps shared-prefix batches exact.")
    rslora: bool = Field(True, description="Scale by alpha/sqrt(r) (arXiv 2312.03732).")
    target_modules: tuple[str, ...] = Field(
        ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"),
        description="Linear layers that get an adapter.",
    )


class Preference(Strict):
    """Learning from replies that people rejected, after the tuning."""

    epochs: float = Field(
        0.0,
        ge=0,
        le=20,
        description="Passes over the pairs of replies, rejected and written instead; 0: none. Needs TRL.",
    )
    beta: float = Field(
        0.1, gt=0, description="DPO's beta: the greater, the nearer the adapter stays to what was tuned."
    )
    learning_rate: float = Field(5e-5, gt=0, description="Peak learning rate (AdamW, linear decay).")
    imitation: float = Field(
        1.0, ge=0, description="Weight of the better reply's own likelihood beside DPO's loss."
    )


class RecipeSpec(Strict):
    """How to tune."""

    base: str = Field("embedded", description="`embedded`, a folder, or a model hub id.")
    revision: str | None = Field(None, description="Hub revision (commit) of the base.")
    lora: Lora = Field(Lora(), description="LoRA parameters.")
    quantise: bool = Field(False, description="QLoRA: 4-bit base, where bitsandbytes is installed (CUDA).")
    budget: str = Field(
        "auto",
        description="`auto`: on a CPU a sample that fits six minutes, on a GPU everything; `full`; or a "
        "number of minutes such as `10m`.",
        pattern=r"^(auto|full|[0-9]+m)$",
    )
    epochs: float = Field(3.0, gt=0, description="Passes over the training split, at most.")
    learning_rate: float = Field(2e-3, gt=0, description="Peak learning rate (AdamW).")
    schedule: Literal["cosine", "linear", "constant", "wsd"] = Field("cosine", description="After warm-up.")
    warmup: float = Field(0.03, ge=0, lt=1, description="Share of the steps.")
    weight_decay: float = Field(0.0, ge=0, description="AdamW weight decay.")
    clip: float = Field(1.0, gt=0, description="Gradient norm at most.")
    micro_batch_tokens: Positive = Field(
        4096, description="Suffix tokens of a micro-batch, padding included."
    )
    step_tokens: Positive = Field(512, description="Supervised tokens of an optimiser step, about.")
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto",
        description="Arithmetic of tuning on a CPU; `auto`: bf16 where clearly faster. A GPU uses bf16.",
    )
    max_tokens: Positive = Field(1024, description="Longer examples are refused.")
    early_stopping: int = Field(
        3, ge=0, description="Evaluations without improvement before stopping; 0: never."
    )
    evaluations: int = Field(6, ge=1, description="Evaluations per run.")
    seed: int = Field(0, ge=0, description="Seed of sampling, order and initialisation.")
    preference: Preference = Field(Preference(), description="Learning from rejected replies (DPO).")


class Gate(Strict):
    """What a candidate must show before it may be promoted."""

    loss_gain: float = Field(0.0, description="Held-out loss must fall by at least this, against the base.")
    regression: float = Field(
        0.02,
        ge=0,
        description="How far a metric may lie below the promoted adapter's (lower end of the interval).",
    )
    minimum: dict[str, float] = Field(default_factory=dict, description="Metric → least acceptable value.")


class Evaluation(Strict):
    """Held-out suites."""

    suites: tuple[str, ...] = Field(("eval/*.jsonl",), description="Glob patterns, relative to the pack.")


class Routing(Strict):
    """What the router learns of this pack beside the intents of its examples."""

    negatives: str = Field("", description="JSONL file of {text} that this pack must not get.")
    examples: str = Field(
        "",
        description="JSONL file of {text, intent}: requests that the router learns and nothing else does.",
    )
    always: tuple[str, ...] = Field((), description="Intents that never switch packs (greetings, thanks).")
    promise: float = Field(
        0.95,
        ge=0.5,
        le=0.999,
        description="Share of the messages meant for this pack that it answers; the rest pays for strangers "
        "turned away. `senmon eval router` reports what is achieved.",
    )


class Texts(Strict):
    """Fixed texts of the pack, in its first language."""

    greeting: str = Field("Hello! How can I help?", description="First line in the widget.")
    suggestions: tuple[str, ...] = Field((), description="What to try; shown as buttons and by `senmon up`.")
    safe: str = Field(
        "I'm not sure enough to answer that. Shall I get a person to help you?",
        description="Released when the reply fails its checks.",
    )
    sign_in: str = Field(
        "Please sign in first, so that I know it is really you.",
        description="An action needs a verified customer.",
    )
    handoff: str = Field("I'm passing this on to a person.", description="Said when a person is asked for.")
    failed: str = Field(
        "That did not work on our side just now. Please try again, or ask for a person.",
        description="An action failed.",
    )
    other_language: dict[str, str] = Field(
        default_factory=dict,
        description="Language (`de`) → reply to a message in it, which offers a person. English and Japanese "
        "ones are there; others get the English one.",
    )


class PackManifest(Strict):
    """`pack.yaml`: one domain's manifest."""

    schema_version: Literal[1] = Field(1, description="Version of this schema.")
    name: Name = Field(description="Folder name, model name on the API, adapter name.")
    version: str = Field("0.1.0", description="Semantic version of the pack.", pattern=r"^\d+\.\d+\.\d+$")
    title: str = Field(description="Shown to people.", min_length=1, max_length=80)
    description: str = Field(
        description="One or two sentences: what it answers.", min_length=1, max_length=500
    )
    language: tuple[str, ...] = Field(
        ("en",), description="Languages it speaks (BCP 47), the first is its own."
    )
    licence: str = Field(description="SPDX expression for the pack's content.", min_length=1)
    attribution: str = Field("", description="Credits that the licence asks for.")
    persona: Persona = Field(Persona(), description="How it presents itself.")
    system: str = Field("system.md", description="File with the static prompt.")
    data: Data = Field(Data(), description="Training data.")
    knowledge: str = Field("knowledge/*.md", description="Glob pattern of the articles.")
    context: ContextRules = Field(ContextRules(), description="What a turn adds to the prompt.")
    actions: Actions = Field(Actions(), description="What it can do.")
    checks: tuple[CheckSpec, ...] = Field((), description="Judges of every reply.")
    recipe: RecipeSpec = Field(RecipeSpec(), description="How to tune.")
    gate: Gate = Field(Gate(), description="What a candidate must show.")
    evaluation: Evaluation = Field(Evaluation(), description="Held-out suites.")
    routing: Routing = Field(Routing(), description="Routing beyond the intents.")
    texts: Texts = Field(Texts(), description="Fixed texts.")
