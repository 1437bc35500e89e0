from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import openai
import pytest

from server_rig import SECRET_WORDS, TLS, FakeWorkspace, Site, serving


@pytest.fixture
def ai(site: Site) -> openai.OpenAI:
    return client(site)


def client(site: Site, key: str = "anything") -> openai.OpenAI:
    # The client's own transport, without its costly look at the machine's certificates.
    http: Any = openai.DefaultHttpxClient(verify=TLS)
    return openai.OpenAI(base_url=f"{site.url}/v1", api_key=key, max_retries=0, timeout=10, http_client=http)


def hello(ai: openai.OpenAI, text: str = "hello", **options: Any) -> Any:
    options = {"model": "auto", "messages": [{"role": "user", "content": text}], **options}
    return ai.chat.completions.create(**options)


def test_models(ai: openai.OpenAI) -> None:
    models = ai.models.list().data
    assert [model.id for model in models] == ["auto", "shop"]
    assert {model.object for model in models} == {"model"}


def test_completion(ai: openai.OpenAI, site: Site) -> None:
    answer = hello(ai)
    assert answer.object == "chat.completion" and answer.id.startswith("chatcmpl-") and answer.model == "auto"
    (choice,) = answer.choices
    assert choice.message.role == "assistant" and choice.finish_reason == "stop"
    assert choice.message.content == "You can send it back within 30 days."
    assert answer.usage.prompt_tokens == 12 and answer.usage.total_tokens == 17
    assert answer.usage.prompt_tokens_details.cached_tokens == 8
    assert answer.senmon["pack"] == "shop@0.1.0" and answer.senmon["route_score"] == 0.91
    assert site.workspace.assistant.asked[-1][3] is None


def test_stream(ai: openai.OpenAI) -> None:
    chunks = list(hello(ai, stream=True))
    assert len({chunk.id for chunk in chunks}) == 1
    assert chunks[0].choices[0].delta.role == "assistant" and chunks[0].choices[0].delta.content == ""
    texts = [chunk.choices[0].delta.content for chunk in chunks[1:-1]]
    assert texts == ["You can send it back ", "within 30 days."]
    assert [chunk.choices[0].finish_reason for chunk in chunks] == [None] * 3 + ["stop"]
    assert chunks[-1].senmon["adapter"] == "abc123"
    assert all(chunk.usage is None for chunk in chunks)


def test_stream_with_usage(ai: openai.OpenAI, site: Site) -> None:
    chunks = list(hello(ai, stream=True, stream_options={"include_usage": True}))
    assert chunks[-1].choices == [] and chunks[-1].usage.total_tokens == 17
    assert all(chunk.usage is None for chunk in chunks[:-1])
    body = {"model": "auto", "stream": True, "stream_options": {"include_usage": True}}
    body["messages"] = [{"role": "user", "content": "hello"}]
    raw = site.anonymous.post("/v1/chat/completions", json=body).text
    assert raw.endswith("data: [DONE]\n\n")
    assert raw.count('"usage":null') == 4


def test_history_and_system_are_folded(ai: openai.OpenAI, site: Site) -> None:
    parts = [{"type": "text", "text": "and "}, {"type": "text", "text": "this?"}]
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": "Hi."},
        {"role": "developer", "content": "No emoji."},
        {"role": "user", "content": parts},
    ]
    hello(ai, model="shop", messages=messages)
    state, text, identity, pinned, system = site.workspace.assistant.asked[-1]
    assert [(message.role, message.content) for message in state.messages] == [
        ("user", "hello"),
        ("assistant", "Hi."),
    ]
    assert (text, pinned, system) == ("and this?", "shop", "Be brief.\n\nNo emoji.")
    assert identity.customer is None


def test_a_stored_conversation_goes_on_by_its_id(ai: openai.OpenAI, site: Site) -> None:
    known = hello(ai).senmon["conversation_id"]
    hello(ai, "and then?", metadata={"conversation_id": known})
    state, *_ = site.workspace.assistant.asked[-1]
    assert state.id == known and [message.role for message in state.messages] == ["user", "assistant"]
    with pytest.raises(openai.NotFoundError):
        hello(ai, metadata={"conversation_id": "nowhere"})


@pytest.mark.parametrize("stream", [False, True])
def test_block_ends_with_content_filter(ai: openai.OpenAI, stream: bool) -> None:
    answer = hello(ai, "blocked", stream=stream)
    last = list(answer)[-1] if stream else answer
    assert last.choices[0].finish_reason == "content_filter"


@pytest.mark.parametrize("stream", [False, True])
def test_busy_is_429_with_retry_after(ai: openai.OpenAI, stream: bool) -> None:
    with pytest.raises(openai.RateLimitError) as caught:
        hello(ai, "busy", stream=stream)
    assert caught.value.response.headers["retry-after"] == "3"
    assert caught.value.code == "engine_busy"


def test_errors_after_the_first_byte_are_in_the_stream(ai: openai.OpenAI, site: Site) -> None:
    for word, code in (("fails", "engine_unavailable"), ("broken", "internal_error")):
        texts = []
        with pytest.raises(openai.APIError) as caught:
            for chunk in hello(ai, word, stream=True):
                texts.append(chunk.choices[0].delta.content)
        assert texts == ["", "So far. "] and caught.value.code == code
        assert SECRET_WORDS not in str(caught.value)
    with pytest.raises(openai.InternalServerError) as whole:
        hello(ai, "broken")
    assert SECRET_WORDS not in str(whole.value.body)


REFUSED = [
    ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools"),
    ({"tool_choice": "required"}, "tool_choice"),
    ({"n": 2}, "n"),
    ({"logprobs": True}, "logprobs"),
    ({"top_logprobs": 3}, "top_logprobs"),
    ({"response_format": {"type": "json_object"}}, "response_format"),
    ({"stop": ["x"]}, "stop"),
    ({"logit_bias": {"1": 5}}, "logit_bias"),
    ({"stream_options": {"include_usage": True}}, "stream_options"),
    ({"messages": []}, "messages"),
    ({"messages": [{"role": "assistant", "content": "x"}]}, "messages.0.role"),
    ({"messages": [{"role": "user", "content": " \n"}]}, "messages.0.content"),
    ({"messages": [{"role": "wizard", "content": "x"}]}, "messages.0.role"),
    ({"messages": [{"role": "user", "content": "a\u0000b"}]}, "messages.0.content"),
    ({"messages": [{"role": "user", "content": "x" * 4001}]}, "messages.0.content"),
    ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages.0.content.0.type"),
    ({"messages": [{"role": "tool", "tool_call_id": "1", "content": "{}"}]}, "messages.0.role"),
    ({"extra_body": {"top_k": 3}}, "top_k"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "param"), REFUSED, ids=[param for _, param in REFUSED])
def test_what_is_not_supported_is_400_and_named(
    ai: openai.OpenAI, options: dict[str, Any], param: str
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        hello(ai, **options)
    assert caught.value.param == param and caught.value.type == "invalid_request_error"


def test_what_asks_for_nothing_is_accepted(ai: openai.OpenAI) -> None:
    neutral: dict[str, Any] = {"n": 1, "logprobs": False, "response_format": {"type": "text"}}
    answer = hello(ai, **neutral, tool_choice="none", temperature=0.2, seed=3, max_tokens=50, user="u")
    assert answer.choices[0].finish_reason == "stop"


def test_unknown_model_is_404(ai: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        hello(ai, model="gpt-5")
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")


def test_disconnect_cancels_at_once(ai: openai.OpenAI, site: Site) -> None:
    stream = hello(ai, "wait here", stream=True)
    assert next(stream).choices[0].delta.role == "assistant"
    start = time.monotonic()
    stream.close()
    _wait(lambda: site.workspace.assistant.cancelled == ["wait here"])
    assert time.monotonic() - start < 2


def test_disconnect_cancels_a_whole_completion_too(ai: openai.OpenAI, site: Site) -> None:
    with pytest.raises(openai.APITimeoutError):
        hello(ai.with_options(timeout=0.5), "wait there")
    _wait(lambda: site.workspace.assistant.cancelled == ["wait there"])


def test_keys_are_demanded_once_there_are_some(make_workspace: Callable[..., FakeWorkspace]) -> None:
    with serving(make_workspace(api_keys=("sk-good-key",))) as site:
        with pytest.raises(openai.AuthenticationError):
            hello(client(site, "sk-bad-key"))
        with pytest.raises(openai.AuthenticationError):
            client(site, "sk-bad-key").models.list()
        first = hello(client(site, "sk-good-key"))
        secret, record = site.call(site.workspace.store.add_key("second"))
        assert hello(client(site, secret)).choices[0].finish_reason == "stop"
        # A conversation belongs to the key that began it.
        with pytest.raises(openai.NotFoundError):
            hello(client(site, secret), metadata={"conversation_id": first.senmon["conversation_id"]})
        site.call(site.workspace.store.revoke_key(record.id))
        with pytest.raises(openai.AuthenticationError):
            hello(client(site, secret))


def _wait(true: Callable[[], bool]) -> None:
    until = time.monotonic() + 5
    while not true():
        assert time.monotonic() < until
        time.sleep(0.02)
