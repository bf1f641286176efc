"""Servers that people call OpenAI-compatible: judge, captioner and expert ask each as it wants."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import faults
import pytest
from servers import Answer, Server, completion

from rediff.llm_client.client import Caller
from rediff.llm_client.dialect import Dialect, learn
from rediff.llm_client.probe import probe
from rediff.llm_client.reasoning import split_reasoning
from rediff.llm_client.server import ServerSpec

BODY = {
    "model": "m", "max_tokens": 4096, "temperature": 0.0, "top_p": 0.9,
    "messages": [
        {"role": "system", "content": [{"type": "text", "text": "s"}]},
        {"role": "user", "content": [{"type": "text", "text": "u"}]},
    ],
}  # fmt: skip


def refuses(message: str, when: Callable[[Any], bool], status: int = 400) -> Any:
    """A server that refuses requests of a form with a message, and answers all others."""

    def answer(method: str, path: str, body: Any) -> Answer:
        return faults.status(status, message) if when(body) else completion("fine", 2)

    return answer


SERVERS = {
    "a reasoning model's token limit": refuses(
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use"
        " 'max_completion_tokens' instead.", lambda body: "max_tokens" in body,
    ),
    "a reasoning model's temperature": refuses(
        "Unsupported value: 'temperature' does not support 0 with this model.",
        lambda body: body.get("temperature", 1) != 1,
    ),
    "no top_p": refuses("top_p is not permitted", lambda body: "top_p" in body, 422),
    "no system role": refuses(
        "System role not supported", lambda b: any(m["role"] == "system" for m in b["messages"])
    ),
    "roles must alternate": refuses(
        "Conversation roles must alternate user/assistant/user/assistant/...",
        lambda b: any(m["role"] == "system" for m in b["messages"]), 500,
    ),
    "strings only": refuses(
        "Failed to deserialize the JSON body: messages[0]: invalid type: sequence, expected a"
        " string", lambda b: not all(isinstance(m["content"], str) for m in b["messages"]), 422,
    ),
    "a short context": refuses(
        "This model's maximum context length is 4096 tokens. However, you requested 4696 tokens"
        " (600 in the messages, 4096 in the completion).", lambda b: b["max_tokens"] + 600 > 4096,
    ),
    "few tokens": refuses(
        "max_tokens is too large: 4096. This model supports at most 2048 completion tokens.",
        lambda body: body["max_tokens"] > 2048,
    ),
    "everything at once": refuses(
        "Extra inputs are not permitted: max_tokens; temperature",
        lambda body: "max_tokens" in body or "temperature" in body, 422,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SERVERS)
def test_a_request_is_asked_in_the_form_that_is_taken(name: str, server: Server) -> None:
    server.answer = SERVERS[name]
    caller = Caller(ServerSpec(model="m", base_url=f"{server.url}/v1", retries=0))
    replies = [caller.call(BODY) for _ in range(3)]
    assert [reply.text for reply in replies] == ["fine"] * 3, replies[0].error
    seen = len(server.seen)
    assert seen <= 6 if name == "a short context" else seen <= 5, "what was learnt is kept"


def test_two_kinds_of_lessons_do_not_make_each_other_forgotten(server: Server) -> None:
    """A context that is too short for one request, then a field that is refused for all."""
    strict, short = SERVERS["a reasoning model's temperature"], SERVERS["a short context"]

    def answer(method: str, path: str, body: Any) -> Answer:
        first = short(method, path, body)
        return first if first[0] != 200 else strict(method, path, body)

    server.answer = answer
    caller = Caller(ServerSpec(model="m", base_url=f"{server.url}/v1", retries=0))
    with ThreadPoolExecutor(4) as pool:
        replies = list(pool.map(caller.call, [BODY] * 8))
    assert [reply.text for reply in replies] == ["fine"] * 8
    assert len(server.seen) <= 8 * 4
    assert caller.dialect == Dialect(without=frozenset({"temperature"}))


@pytest.mark.parametrize(
    "complaint",
    [
        "This model's maximum context length is 4096 tokens. However, you requested 5300 tokens"
        " (5000 in the messages, 200 in the temperature, 100 in the completion).",
        "max_tokens, temperature, system role, user: a string content is not what this says",
    ],
)
def test_a_server_that_refuses_everything_is_left_soon(complaint: str, server: Server) -> None:
    server.answer = refuses(complaint, lambda body: True)
    caller = Caller(ServerSpec(model="m", base_url=f"{server.url}/v1", retries=0))
    assert caller.call(BODY).error
    assert len(server.seen) <= 9


def test_a_context_told_by_the_limit_alone_is_halved(server: Server) -> None:
    """The server counts no prompt, but says "at least" what the limit leaves for it."""

    def answer(method: str, path: str, body: Any) -> Answer:
        if body["max_tokens"] + 4000 > 8192:
            least = 8192 - body["max_tokens"] + 1
            return faults.status(
                400, "This model's maximum context length is 8192 tokens and your prompt contains"
                f" at least {least} input tokens",
            )  # fmt: skip
        return completion("fine", 2)

    server.answer = answer
    caller = Caller(ServerSpec(model="m", base_url=f"{server.url}/v1", retries=0))
    assert caller.call({**BODY, "max_tokens": 8000}).text == "fine"
    assert len(server.seen) <= 3


@pytest.mark.parametrize(
    ("complaint", "most"),
    [
        ("the valid range of max_tokens is [1, 8192]", 8192),
        ("Range of max_tokens should be [1, 2048]", 2048),
        ("max_tokens must be less than or equal to `1024`", 1024),
        ("max_tokens: 100,000 > 8,192, which is the maximum allowed", 8192),
        ("temperature must be between 0 and 2 ('input': {'max_tokens': 9000, 'x': 2})", None),
        ("max_tokens is too large. This model supports at most 4096 completion tokens", 4096),
    ],
)
def test_limits_in_the_words_of_servers(complaint: str, most: int | None) -> None:
    learnt = learn(Dialect(), {**BODY, "max_tokens": 9000}, complaint)
    assert learnt is not None
    assert learnt.most == most


def test_an_error_that_names_roles_by_the_way_changes_no_prompt(server: Server) -> None:
    server.answer = lambda method, path, body: faults.status(500, "cannot process the user message")
    caller = Caller(ServerSpec(model="m", base_url=f"{server.url}/v1", retries=0))
    assert "500" in (caller.call(BODY).error or "")
    assert caller.dialect == Dialect()


def test_a_refusal_that_teaches_nothing_is_final(server: Server) -> None:
    server.answer = refuses("no such picture", lambda body: True)
    caller = Caller(ServerSpec(model="m", base_url=f"{server.url}/v1"))
    reply = caller.call(BODY)
    assert "no such picture" in (reply.error or "")
    assert len(server.seen) == 1
    assert learn(Dialect(), BODY, "no such picture") is None


def test_a_system_text_alone_becomes_the_users(server: Server) -> None:
    server.answer = refuses(
        "messages: at least one message with role user is required",
        lambda b: not any(m["role"] == "user" for m in b["messages"]),
    )
    caller = Caller(ServerSpec(model="m", base_url=f"{server.url}/v1"))
    assert caller.call({**BODY, "messages": BODY["messages"][:1]}).text == "fine"
    assert server.seen[-1][2]["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "s"}]}
    ]


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("<think>\n\n</think>\n\nb", "b"), ("<answer>b</answer>", "b"), ("plain", "plain"),
        ("<think>a</think>\n\nb", "b"), ("a</think>b", "b"), ("<think>a", ""),
        ("[THINK]a[/THINK] b", "b"), ("◁think▷a◁/think▷b", "b"), ("<thinking>a</thinking>b", "b"),
        ("<think>a</think><answer>b</answer>", "b"), ("<reasoning>x</reasoning>a < b", "a < b"),
        ("<think>a <think> b</think>c", "c"), ("I think <b>so</b>", "I think <b>so</b>"),
    ],
)  # fmt: skip
def test_reasoning_is_no_answer(text: str, answer: str) -> None:
    assert split_reasoning(text).answer == answer


def test_an_empty_thought_is_cut_off_too(server: Server) -> None:
    server.answer = lambda method, path, body: completion("<think>\n\n</think>\n\nA dog.", 5)
    caller = Caller(ServerSpec(model="m", base_url=f"{server.url}/v1"))
    assert caller.call(BODY).text == "A dog."


def test_a_spent_quota_is_no_rate_limit_for_a_probe(server: Server) -> None:
    spec = ServerSpec(model="m", base_url=f"{server.url}/v1", pause=0.01)
    server.answer = lambda method, path, body: faults.status(429, name="insufficient_quota")
    with pytest.raises(ValueError, match="the judge m cannot be asked"):
        probe(spec, "the judge", with_picture=False)
    server.answer = lambda method, path, body: faults.status(
        400, "Could not finish the message because max_tokens or model output limit was reached"
    )
    assert probe(spec, "the judge", with_picture=False) == Dialect()


def test_a_probe_lets_a_rate_limit_pass(server: Server) -> None:
    server.answer = lambda method, path, body: faults.status(429, Retry_After="0.01")
    spec = ServerSpec(model="m", base_url=f"{server.url}/v1", pause=0.01)
    probe(spec, "the judge", with_picture=True)
    server.answer = lambda method, path, body: completion(None, 0)
    probe(spec, "the judge", with_picture=False)
