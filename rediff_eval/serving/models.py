"""The models of a server: the options of each in a request, and how answers end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from PIL import Image

from rediff.captioners.autoregressive import AutoregressiveCaptioner
from rediff.captioners.base import Caption, Decoding
from rediff.captioners.diffusion import DiffusionCaptioner
from rediff.captioners.sources import knows_scenes_only
from rediff.data.dialogue import Dialogue
from rediff.decoding.registry import find_sampler, options_of
from rediff.decoding.sampler import Sampler
from rediff.io.suggest import unknown
from rediff.loaded import LoadedModel
from rediff.models.anyres import image_tokens
from rediff.models.checkpoint import Checkpoint
from rediff.training.edits import END
from rediff_eval.serving.chat import ChatBody, Completion
from rediff_eval.serving.problems import RequestError


@dataclass(frozen=True, slots=True)
class Served:
    """An opened model. `steps`: of a request that does not say."""

    loaded: LoadedModel
    steps: int | None = None

    @property
    def name(self) -> str:
        """Its name in requests."""
        return self.loaded.source.name

    @property
    def scenes_only(self) -> bool:
        """Whether it knows the embedded scenes and nothing else."""
        return knows_scenes_only(self.loaded.source)

    def words(self, ids: list[int]) -> list[str]:
        """Token ids as text, empty from the end of the response on."""
        checkpoint = self._checkpoint()
        assert checkpoint is not None
        known, eos = checkpoint.spell(ids), checkpoint.ids.eos
        end = ids.index(eos) if eos in ids else len(ids)
        return [word if place < end else END for place, word in enumerate(known)]

    def decoding(self, body: ChatBody) -> Decoding:
        """How a request is decoded.

        Raises RequestError for an option that this model does not take.
        """
        able = self.loaded.captioner.capabilities
        asked = {
            "sampler": body.sampler is not None,
            "guidance": body.guidance != 0,
            "temperature": body.temperature != 0,
        }
        for name, given in asked.items():
            if given and not able.takes_samplers:
                raise RequestError(400, f"{self.name} ({able.kind}) takes no {name}", field=name)
        if body.steps is not None and not able.takes_steps:
            raise RequestError(400, f"{self.name} has no denoising steps", field="steps")
        steps = (body.steps or self.steps or able.steps) if able.takes_steps else None
        sampler = self._sampler(body) if able.takes_samplers else None
        return Decoding(sampler=sampler, steps=steps, guidance=body.guidance)

    def _sampler(self, body: ChatBody) -> Sampler:
        own = self.loaded.source.sampler or self.loaded.captioner.capabilities.sampler
        text = body.sampler or own
        try:
            sampler = find_sampler(text)
            options = options_of(sampler)
            if body.temperature and "temperature" not in options:
                raise RequestError(400, f"sampler {text} draws nothing", field="temperature")
            if body.temperature:
                text += f",temperature={body.temperature}"
                text += f",top_p={body.top_p}" if body.top_p < 1 else ""
            if body.seed is not None and "seed" in options:
                text += f",seed={body.seed}"
            return find_sampler(text)
        except ValueError as error:
            raise RequestError(400, str(error), field="sampler") from error

    def completion(
        self, caption: Caption, body: ChatBody, dialogue: Dialogue, image: Image.Image
    ) -> Completion:
        """The answer to a request.

        Args:
            caption: of the model.
            body: of the request, which may want it shorter.
            dialogue: up to the question.
            image: of the question.

        Raises:
            RequestError: if it should be shorter and the model's tokens are not known.
        """
        text, finish = self._shortened(caption, body)
        return Completion(self.name, text, finish, caption, self._prompt(dialogue, image))

    def _shortened(self, caption: Caption, body: ChatBody) -> tuple[str, Literal["stop", "length"]]:
        text: str = caption.text
        finish: Literal["stop", "length"] = "length" if caption.truncated else "stop"
        if body.most is not None and (caption.tokens is None or caption.tokens > body.most):
            checkpoint = self._checkpoint()
            if checkpoint is None:
                raise RequestError(400, f"{self.name} cannot be cut off", field="max_tokens")
            ids = checkpoint.tokenizer(text, add_special_tokens=False)["input_ids"]
            text, finish = checkpoint.text(ids[: body.most]), "length"
        ends = [text.index(stop) for stop in body.stops if stop and stop in text]
        return (text[: min(ends)], "stop") if ends else (text, finish)

    def _prompt(self, dialogue: Dialogue, image: Image.Image) -> int | None:
        checkpoint = self._checkpoint()
        if checkpoint is None:
            return None
        words = len(checkpoint.prompt_ids(dialogue)) - 1
        return words + image_tokens(image.size, checkpoint.model.config)

    def _checkpoint(self) -> Checkpoint | None:
        """Of a model that is one of ours."""
        captioner = self.loaded.captioner
        if isinstance(captioner, DiffusionCaptioner | AutoregressiveCaptioner):
            return captioner.checkpoint
        return None


def find_served(models: Sequence[Served], name: str) -> Served:
    """The model of that name.

    Args:
        models: of the server.
        name: as a request has it.

    Raises:
        RequestError: naming the nearest.
    """
    for model in models:
        if model.name == name:
            return model
    error = unknown("model", name, [model.name for model in models])
    raise RequestError(404, str(error), field="model")
