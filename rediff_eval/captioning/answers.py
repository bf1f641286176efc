"""A caption as a run stores it: its text, its cost, and its denoising steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any

from rediff.captioners.base import Caption, Failure
from rediff.data.dialogue import Dialogue
from rediff.io.names import whole_text
from rediff.llm_client.reasoning import split_reasoning
from rediff.scenes.oracle import nearest_text
from rediff.scenes.truth import true_texts
from rediff.scenes.world import Scene
from rediff.training.edits import END
from rediff_eval.captioning.writing import Writing, count_writing, end_of

if TYPE_CHECKING:
    from rediff.decoding.trace import Trace

COMMIT, REVISE = "c", "r"
ONLY_REASONING = "no caption, only reasoning: it was cut off; allow more tokens by `max_tokens`"


@dataclass(frozen=True, slots=True)
class Revisions:
    """Counts of one caption.

    `revisions`: visible words replaced by others, at once or after they were masked again. `flips`:
    of these, returns to a word that was there before. `fixed`: wrong words made right; `broken`:
    right words made wrong; both None where the truth is not known.
    """

    revisions: int
    flips: int
    fixed: int | None = None
    broken: int | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A caption, or the error in place of it.

    The fields from `text` to `truncated` are `Caption`'s. `trace`: see `history`; kept for few.
    `reasoning`: the model's thinking, which is not part of `text`.
    """

    text: str = ""
    tokens: int | None = None
    nfe: int | None = None
    seconds: float | None = 0.0
    computed: int | None = None
    flops: int | None = None
    truncated: bool | None = False
    revisions: Revisions | None = None
    writing: Writing | None = None
    trace: dict[str, Any] | None = None
    error: str | None = None
    reasoning: str | None = None

    @classmethod
    def of_text(cls, text: str) -> Answer:
        """A caption made elsewhere, of which nothing else is known."""
        split = split_reasoning(whole_text(text))
        if split.reasoning and not split.answer:
            return cls(error=ONLY_REASONING, reasoning=split.reasoning)
        return cls(text=split.answer, seconds=None, truncated=None, reasoning=split.reasoning)

    @classmethod
    def of(
        cls, reply: Caption | Failure, scene: Scene | None, dialogue: Dialogue, *, keep_trace: bool
    ) -> Answer:
        """A captioner's reply to a dialogue, as it is stored.

        Args:
            reply: of the captioner.
            scene: the picture's truth, if it is known.
            dialogue: what was asked.
            keep_trace: whether to store its denoising steps.
        """
        if isinstance(reply, Failure):
            return cls(error=reply.error)
        split = split_reasoning(whole_text(reply.text))
        if split.reasoning and not split.answer:
            return cls(error=ONLY_REASONING, reasoning=split.reasoning)
        trace, truth = reply.trace, None
        if trace is not None and scene is not None:
            truth = true_words(trace.words[-1], scene, dialogue)
        return cls(
            text=split.answer,
            reasoning=split.reasoning or reply.reasoning,
            tokens=reply.tokens,
            nfe=reply.nfe,
            seconds=reply.seconds,
            computed=reply.computed,
            flops=reply.flops,
            truncated=reply.truncated,
            revisions=None if trace is None else count_revisions(trace, truth),
            writing=None if trace is None else count_writing(trace, truth),
            trace=history(trace, truth) if trace is not None and keep_trace else None,
        )

    def to_record(self) -> dict[str, Any]:
        """As plain JSON values, without empty ones."""
        if self.error is not None:
            kept = {"error": self.error, "reasoning": self.reasoning}
            return {name: value for name, value in kept.items() if value is not None}
        known = {name: value for name, value in _fields_of(self).items() if value is not None}
        return {name: _fields_of(v) if is_dataclass(v) else v for name, v in known.items()}

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Answer:
        """Reads a line of `to_record`; other entries of it are ignored."""
        own = {name: record[name] for name in cls.__dataclass_fields__ if name in record}
        if "error" not in own and "reasoning" not in own:  # of a run before reasoning was cut off
            split = split_reasoning(own.get("text", ""))
            own |= {"text": split.answer, "reasoning": split.reasoning}
        if "revisions" in own:
            own["revisions"] = Revisions(**own["revisions"])
        if "writing" in own:
            own["writing"] = Writing(**{"order": None, **own["writing"]})
        return cls(**own)


def _fields_of(value: Any) -> dict[str, Any]:
    """The fields of a dataclass by name; `asdict` would copy every list of a trace."""
    return {field.name: getattr(value, field.name) for field in fields(value)}


def true_words(words: Sequence[str], scene: Scene, dialogue: Dialogue) -> list[str] | None:
    """The oracle's words for a finished canvas.

    Args:
        words: of the whole canvas.
        scene: the truth.
        dialogue: what was asked.

    Returns:
        The nearest true text, a word for each position; None if no true text fits the canvas.
    """
    end = end_of(words)
    try:
        return nearest_text(
            true_texts(scene, dialogue), [*words[:end], *[END] * (len(words) - end)]
        )
    except ValueError:
        return None


def count_revisions(trace: Trace, truth: Sequence[str] | None) -> Revisions:
    """Counts revisions, flips, fixed and broken words over a trace.

    Args:
        trace: of one caption, S steps of R positions.
        truth: the R right words; None where none are known, and nothing is counted as fixed or
            broken.
    """
    seen: dict[int, set[str]] = {}
    last: dict[int, str] = {}
    revisions = flips = fixed = broken = 0
    for step, place in (trace.unmasked | trace.revised).nonzero().tolist():
        new, replaced = trace.words[step][place], bool(trace.revised[step, place])
        old = last.get(place, trace.words[step - 1][place] if replaced and step else "")
        if replaced or (place in last and new != old):
            revisions += 1
            flips += new in seen.setdefault(place, {old})
            if truth is not None:
                fixed += old != truth[place] and new == truth[place]
                broken += old == truth[place] and new != truth[place]
        seen.setdefault(place, set()).add(new)
        if trace.masked[step, place]:
            last.pop(place, None)
        else:
            last[place] = new
    if truth is None:
        return Revisions(revisions, flips)
    return Revisions(revisions, flips, fixed, broken)


def history(trace: Trace, truth: Sequence[str] | None) -> dict[str, Any]:
    """A trace as plain JSON values.

    Args:
        trace: of one caption.
        truth: the right words, kept beside it, or None.

    Returns:
        `length`, `truth`, and `steps`: a list of changes for each step. A change is [position,
        word, confidence, kind]: a committed (`c`) or revised (`r`) word, or None for one that
        became a mask again.
    """
    steps = []
    before = [True] * trace.masked.size(1)
    for step, masked in enumerate(trace.masked.tolist()):
        events = (trace.unmasked[step] | trace.revised[step]).tolist()
        changes = []
        for place, event in enumerate(events):
            if event or (masked[place] and not before[place]):
                word = None if masked[place] else trace.words[step][place]
                certainty = round(float(trace.confidence[step, place]), 3)
                changes.append([place, word, certainty, COMMIT if before[place] else REVISE])
        steps.append(changes)
        before = masked
    return {"length": trace.masked.size(1), "truth": truth, "steps": steps}
