"""Samples, and conversations with a judge whose replies are known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PIL import Image

from rediff.llm_client.conversation import Conversation, Reply, Request
from rediff_eval.benchmarks.sample import Sample
from rediff_eval.metrics.judged import caparena, clair, coverage, factuality
from rediff_eval.metrics.judged.prompts import own_prompt

Given = str | None | Reply


def hold(conversation: Conversation[Any], replies: Sequence[Given]) -> tuple[Any, list[Request]]:
    """The verdict and what was asked: try number i gets reply i, then the last one again."""
    asked: list[Request] = []
    try:
        request = next(conversation)
        while True:
            reply = replies[min(len(asked), len(replies) - 1)]
            asked.append(request)
            request = conversation.send(reply if isinstance(reply, Reply) else Reply(text=reply))
    except StopIteration as end:
        return end.value, asked


def sample(sample_id: str, *, references: Sequence[str] = (), **more: Any) -> Sample:
    """A sample with a picture of one colour."""
    return Sample(sample_id, lambda: Image.new("RGB", (8, 8)), sample_id, tuple(references), **more)


class _Own:
    """The prompts that come with the package."""

    clair = own_prompt(clair.PROMPT)
    coverage = own_prompt(coverage.PROMPT)
    decompose = own_prompt(factuality.DECOMPOSE)
    judge = own_prompt(factuality.JUDGE)
    arena = own_prompt(caparena.PROMPT)


PROMPTS = _Own
