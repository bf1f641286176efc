"""Requests and answers of OpenAI's chat completions."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rediff.captioners.base import Caption
from rediff.data.dialogue import CAPTION_PROMPT, Dialogue
from rediff.io.suggest import explain
from rediff_eval.serving.problems import RequestError

OURS = ("sampler", "steps", "guidance")
"""Fields beyond OpenAI's."""
NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "n": (1,),
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "repetition_penalty": (1,),
    "logprobs": (False,),
    "tools": ([],),
    "functions": ([],),
    "logit_bias": ({},),
    "response_format": ({"type": "text"},),
    "best_of": (1,),
    "echo": (False,),
}
"""Fields that are taken with the values that change nothing, and no others."""
IGNORED = (
    "user",
    "metadata",
    "store",
    "stream_options",
    "service_tier",
    "safety_identifier",
    "parallel_tool_calls",
    "tool_choice",
    "function_call",
    "top_logprobs",
    "top_k",
    "min_p",
    "prompt_cache_key",
    "verbosity",
    "reasoning_effort",
    "modalities",
)
"""Fields that change no answer here; `top_k` and its like only where nothing is drawn."""
DRAWING = ("top_k", "min_p")


class _Lenient(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class ImageUrl(_Lenient):
    url: str


class TextPart(_Lenient):
    type: Literal["text"]
    text: str


class ImagePart(_Lenient):
    type: Literal["image_url"]
    image_url: ImageUrl


class Message(_Lenient):
    role: Literal["system", "developer", "user", "assistant"]
    content: str | tuple[Annotated[TextPart | ImagePart, Field(discriminator="type")], ...]

    def text(self) -> str:
        """All its text."""
        if isinstance(self.content, str):
            return self.content
        return "\n".join(part.text for part in self.content if isinstance(part, TextPart))

    def pictures(self) -> list[str]:
        """The URLs of its pictures."""
        parts = () if isinstance(self.content, str) else self.content
        return [part.image_url.url for part in parts if isinstance(part, ImagePart)]


class ChatBody(BaseModel):
    """A request's body. Unknown fields are refused; see `NEUTRAL` and `IGNORED`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    messages: tuple[Message, ...] = Field(min_length=1)
    stream: bool = False
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    temperature: float = Field(default=0.0, ge=0.0, le=2.0)
    top_p: float = Field(default=1.0, ge=0.0, le=1.0)
    seed: int | None = None
    stop: str | tuple[str, ...] | None = None
    sampler: str | None = None
    steps: int | None = Field(default=None, ge=1)
    guidance: float = 0.0

    @property
    def most(self) -> int | None:
        """Tokens of the answer at most, None for the model's own."""
        given = [n for n in (self.max_tokens, self.max_completion_tokens) if n is not None]
        return min(given, default=None)

    @property
    def stops(self) -> tuple[str, ...]:
        """Texts before which the answer ends."""
        if self.stop is None:
            return ()
        return (self.stop,) if isinstance(self.stop, str) else self.stop


@dataclass(frozen=True, slots=True)
class Question:
    """The content of a request: the picture's URL and the turns up to the answer."""

    picture: str
    dialogue: Dialogue


def read_body(raw: Any) -> ChatBody:
    """Checks a request's body.

    Args:
        raw: the JSON value.

    Raises:
        RequestError: naming the field, for one that is wrong or would be ignored silently.
    """
    if not isinstance(raw, dict):
        raise RequestError(400, "the body must be a JSON object")
    given = {name: value for name, value in raw.items() if value is not None}
    draws = given.get("temperature", 0) != 0
    for name, harmless in NEUTRAL.items():
        if name in given and given[name] not in harmless:
            raise RequestError(400, f"{name} is not offered by this server", field=name)
    for name in DRAWING:
        if draws and given.get(name) not in (None, 1, 0, -1):
            raise RequestError(400, f"{name} is not offered by this server", field=name)
    known = {k: v for k, v in given.items() if k not in NEUTRAL and k not in IGNORED}
    try:
        return ChatBody.model_validate(known)
    except ValidationError as error:
        first = error.errors()[0]["loc"]
        field = str(first[0]) if first else None
        raise RequestError(400, explain(error, ChatBody.model_fields), field=field) from error


def read_question(messages: Sequence[Message]) -> Question:
    """The picture and the dialogue of a request.

    A system message comes before the first question, since these models have no such role.
    Turns of one role in a row are one.

    Args:
        messages: of the body.

    Raises:
        RequestError: if there is not exactly one picture, or the turns are no dialogue.
    """
    pictures = [url for message in messages for url in message.pictures()]
    if len(pictures) != 1:
        raise RequestError(
            400, f"one picture is asked about: got {len(pictures)}", field="messages"
        )
    turns: list[tuple[bool, str]] = []
    for message in messages:
        asks = message.role != "assistant"
        if turns and turns[-1][0] == asks:
            turns[-1] = (asks, "\n".join(filter(None, [turns[-1][1], message.text()])))
        else:
            turns.append((asks, message.text()))
    texts = tuple(text for _, text in turns)
    if not turns[0][0] or not turns[-1][0]:
        raise RequestError(400, "the dialogue must begin and end with the user", field="messages")
    if texts == ("",):
        texts = (CAPTION_PROMPT,)
    if not all(texts):
        raise RequestError(400, "a turn has no text", field="messages")
    return Question(pictures[0], texts)


@dataclass(frozen=True, slots=True)
class Completion:
    """An answer. `prompt`: tokens of the prompt, None where they are not known."""

    model: str
    text: str
    finish: Literal["stop", "length"]
    caption: Caption
    prompt: int | None

    def body(self) -> dict[str, Any]:
        """OpenAI's object of a whole answer."""
        message = {"role": "assistant", "content": self.text}
        choice = {"index": 0, "message": message, "finish_reason": self.finish, "logprobs": None}
        return {**_head("chat.completion", self.model), "choices": [choice], "usage": self.usage()}

    def usage(self) -> dict[str, Any]:
        """Tokens as OpenAI counts them, and `passes`, the forward passes of the model."""
        written = self.caption.tokens or 0
        return {
            "prompt_tokens": self.prompt or 0,
            "completion_tokens": written,
            "total_tokens": (self.prompt or 0) + written,
            "passes": self.caption.nfe,
        }

    def chunks(self, *, usage: bool) -> list[dict[str, Any]]:
        """The same for a stream: all of the text at once, since any word may be revised until the
        last step; then the end, and with `usage` the counts."""
        head = _head("chat.completion.chunk", self.model)
        said = {"index": 0, "delta": {"role": "assistant", "content": self.text}}
        end = {"index": 0, "delta": {}, "finish_reason": self.finish}
        chunks = [
            {**head, "choices": [{**said, "finish_reason": None}]},
            {**head, "choices": [end]},
        ]
        return [*chunks, {**head, "choices": [], "usage": self.usage()}] if usage else chunks


def _head(kind: str, model: str) -> dict[str, Any]:
    name = f"chatcmpl-{uuid.uuid4().hex}"
    return {"id": name, "object": kind, "created": int(time.time()), "model": model}
