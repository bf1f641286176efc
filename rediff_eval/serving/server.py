"""The models of a server with their queues, and how a request passes through them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rediff.captioners.base import Caption, CaptionRequest
from rediff.decoding.trace import Step
from rediff_eval.serving.batching import Batcher
from rediff_eval.serving.chat import ChatBody, Completion, read_question
from rediff_eval.serving.measures import Measures
from rediff_eval.serving.models import Served, find_served
from rediff_eval.serving.pictures import open_url
from rediff_eval.serving.settings import ServerSettings


@dataclass(frozen=True, slots=True)
class Pending:
    """A request in the queue of its model."""

    model: Served
    body: ChatBody
    request: CaptionRequest
    caption: asyncio.Future[Caption]

    def completion(self, caption: Caption) -> Completion:
        """The answer once there is a caption. Raises as `Served.completion`."""
        asked = self.request.asked()
        return self.model.completion(caption, self.body, asked, self.request.image)


@dataclass(frozen=True, slots=True)
class Server:
    """Models with their queues. `opening`: limits how many pictures are opened at once."""

    models: Sequence[Served]
    batchers: dict[str, Batcher]
    settings: ServerSettings
    measures: Measures
    opening: asyncio.Semaphore

    async def begin(self, body: ChatBody, on_step: Callable[[Step], None] | None = None) -> Pending:
        """Opens the picture of a request, and puts it in the queue.

        Args:
            body: of the request.
            on_step: called with every step, in the model's thread.

        Raises:
            RequestError: if it cannot be answered, or not now.
        """
        model, question = find_served(self.models, body.model), read_question(body.messages)
        decoding, limits = model.decoding(body), self.settings
        async with self.opening:
            image = await asyncio.to_thread(
                open_url, question.picture, fetch=limits.urls, most=limits.body
            )
        request = CaptionRequest(image=image, dialogue=question.dialogue)
        caption = self.batchers[model.name].submit(request, decoding, on_step)
        caption.add_done_callback(lambda done: self._count(model, done))
        return Pending(model, body, request, caption)

    def _count(self, model: Served, done: asyncio.Future[Caption]) -> None:
        if not done.cancelled() and done.exception() is None:
            self.measures.count_caption(model.name, done.result())
