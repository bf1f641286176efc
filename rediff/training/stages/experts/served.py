"""The expert `server`: a model on a server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from itertools import takewhile
from pathlib import Path
from typing import Any, TypeGuard

from transformers import AutoTokenizer

from rediff.data.alignment import AlignmentError, Spelled, claim, fit
from rediff.data.images import data_url
from rediff.data.records import TextEdit
from rediff.llm_client.chat_model import Advance, ChatModel
from rediff.llm_client.conversation import Conversation, Failed
from rediff.llm_client.prices import dollars, load_prices
from rediff.llm_client.prompt import Prompt
from rediff.llm_client.usage import Usage
from rediff.training.distributed import on_main_process
from rediff.training.draft_records import (
    CORRECTIONS,
    COST,
    UNUSED,
    Correction,
    Cost,
    Draft,
    Segment,
    Unused,
    write_lines,
)
from rediff.training.edits import END
from rediff.training.items import Item, before_answer
from rediff.training.logs import Count
from rediff.training.stages.base import Run
from rediff.training.stages.expert import ExpertStage, register_expert
from rediff.training.stages.experts.conversation import Edits, ask, expert_prompt
from rediff.training.stages.experts.settings import Server

Question = tuple[str, int, tuple[str, ...]]
"""A picture's id, the dialogue's number and the draft: equal ones are asked about once."""
GROUP = 500
"""Questions between two checks that the server still answers."""
NOT_ASKED = Failed("not asked, since the server does not answer", unanswered=True)


@register_expert("server", field="server")
def correct_by_named_server(
    stage: ExpertStage, run: Run, drafts: Sequence[Draft], items: Mapping[str, Item]
) -> None:
    """The first process asks the server of the stage; see `correct_by_server`."""
    assert stage.server is not None
    server, tokenizer = stage.server, run.start_of(stage.drafts)
    on_main_process(lambda: correct_by_server(server, drafts, items, tokenizer, run.folder))


def correct_by_server(
    server: Server,
    drafts: Sequence[Draft],
    items: Mapping[str, Item],
    tokenizer_folder: Path,
    folder: Path,
) -> None:
    """Writes the corrections of all drafts, the unused ones with reasons, and the cost.

    Replies are kept outside of `folder` as they come, so a start after a broken one pays for none
    again. Raises RuntimeError if the server left any draft unanswered, and ValueError if more
    drafts than the stated share could not be used, those among them that it rejected.
    """
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_folder)
    questions = list(dict.fromkeys(_question(draft) for draft in drafts))
    with closing(ChatModel(server.spec())) as model, Count(folder, len(questions)) as advance:
        found = _ask_all(model, server, questions, items, tokenizer, advance)
        replies = dict(zip(questions, found, strict=True))
        cost = _cost(server, model.usage)
    outcomes = [replies[_question(draft)] for draft in drafts]
    write_lines(folder / COST, [cost])
    _check_answered(drafts, outcomes)
    corrections, unused = list[Correction](), list[Unused]()
    for draft, outcome in zip(drafts, outcomes, strict=True):
        if isinstance(outcome, Failed):
            unused.append(_unused(draft, outcome.reason))
            continue
        correction, refused = place_edits(draft, outcome, tokenizer, first=server.first)
        corrections.append(correction)
        unused.extend(refused)
    write_lines(folder / UNUSED, unused)
    _check_share(server, drafts, unused)
    write_lines(folder / CORRECTIONS, corrections)


def place_edits(
    draft: Draft, edits: Edits, tokenizer: Any, *, first: bool
) -> tuple[Correction, list[Unused]]:
    """The draft with those edits that have a place in it, and the others with the reason.

    A segment that is found but has no correction of equal token count is kept as wrong without a
    correction. Of two that touch each other the first counts.
    """
    spelled = spell_words(draft.words, tokenizer)
    spell = tokenizer.convert_ids_to_tokens
    segments, unused, taken = list[Segment](), list[Unused](), set[int]()
    for edit in edits:
        try:
            place = claim(spelled, edit, taken, first=first)
        except AlignmentError as error:
            unused.append(_unused(draft, str(error), edit))
            continue
        right: tuple[str, ...] = ()
        try:
            right = tuple(spell(fit(tokenizer, spelled, place, edit.right)))
        except AlignmentError as error:
            unused.append(_unused(draft, str(error), edit))
        tokens = spelled.tokens_of(*place)
        segments.append(Segment(start=tokens.start, wrong=draft.words[tokens], right=right))
    return Correction(draft=draft, segments=tuple(segments)), unused


def spell_words(words: Sequence[str], tokenizer: Any) -> Spelled:
    """The text of a draft's words up to its end, in its own tokens."""
    said = takewhile(lambda word: word != END, words)
    return Spelled.of_ids(tokenizer, tokenizer.convert_tokens_to_ids(list(said)))


def _ask_all(
    model: ChatModel,
    server: Server,
    questions: Sequence[Question],
    items: Mapping[str, Item],
    tokenizer: Any,
    advance: Advance,
) -> list[Edits | Failed]:
    prompt, structured = expert_prompt(), server.structured

    def conversations(chosen: Sequence[Question], *, structured: bool) -> list[Conversation[Edits]]:
        return [
            _conversation(prompt, q, items[q[0]], tokenizer, structured=structured) for q in chosen
        ]

    if server.batch:
        return model.converse(conversations(questions, structured=structured), advance)
    outcomes = model.converse(conversations(questions[:1], structured=structured), advance)
    if structured and _unanswered(outcomes):
        plainly = model.converse(conversations(questions[:1], structured=False))
        if not _unanswered(plainly):  # the server refuses the schema alone
            structured, outcomes = False, plainly
    while len(outcomes) < len(questions) and not _has_gone(outcomes[-GROUP:]):
        group = questions[len(outcomes) : len(outcomes) + GROUP]
        outcomes += model.converse(conversations(group, structured=structured), advance)
    return outcomes + [NOT_ASKED] * (len(questions) - len(outcomes))


def _has_gone(outcomes: Sequence[Edits | Failed]) -> bool:
    """Whether most were not answered; one rejected request alone says nothing about the others."""
    match outcomes:
        case [Failed(rejected=True)]:
            return False
    return 2 * _unanswered(outcomes) > len(outcomes)


def _unanswered(outcomes: Sequence[Edits | Failed]) -> int:
    return sum(map(_is_unanswered, outcomes))


def _is_unanswered(outcome: Edits | Failed) -> TypeGuard[Failed]:
    return isinstance(outcome, Failed) and outcome.unanswered


def _conversation(
    prompt: Prompt, question: Question, item: Item, tokenizer: Any, *, structured: bool
) -> Conversation[Edits]:
    _, number, words = question
    asked = "\n".join(before_answer(item.dialogues[number]))
    own = item.image.read_bytes() if isinstance(item.image, Path) else None
    url, draft = data_url(item.open(), own), spell_words(words, tokenizer).text
    return (yield from ask(prompt, url, asked, item.truth(number), draft, structured=structured))


def _question(draft: Draft) -> Question:
    return draft.id, draft.dialogue, draft.words


def _cost(server: Server, usage: Usage) -> Cost:
    tokens = usage.used_in, usage.used_out
    return Cost(
        model=server.model,
        calls=usage.calls - usage.failed + usage.kept,
        tokens_in=tokens[0],
        tokens_out=tokens[1],
        dollars=dollars(load_prices().get(server.model), *tokens, batch=server.batch),
    )


def _check_answered(drafts: Sequence[Draft], outcomes: Sequence[Edits | Failed]) -> None:
    """A rejected request counts as answered, unless the others were then not sent."""
    missing = sum(_is_unanswered(outcome) and not outcome.rejected for outcome in outcomes)
    if not missing:
        return
    first = next(
        f"{draft.id}: {outcome.reason}"
        for draft, outcome in zip(drafts, outcomes, strict=True)
        if _is_unanswered(outcome)
    )
    raise RuntimeError(
        f"{missing} of {len(drafts)} drafts were not answered; the first, {first}. All other"
        " replies are kept: start again to ask for these alone"
    )


def _check_share(server: Server, drafts: Sequence[Draft], unused: Sequence[Unused]) -> None:
    failed = [entry for entry in unused if entry.edit is None]
    if len(failed) > server.max_failed * len(drafts):
        raise ValueError(
            f"{len(failed)} of {len(drafts)} drafts have no readable correction,"
            f" 'max_failed' allows {server.max_failed:.1%}; the first,"
            f" {failed[0].id}: {failed[0].reason}"
        )


def _unused(draft: Draft, reason: str, edit: TextEdit | None = None) -> Unused:
    return Unused(
        id=draft.id,
        dialogue=draft.dialogue,
        tokens_per_step=draft.tokens_per_step,
        reason=reason,
        edit=None if edit is None else (edit.wrong, edit.right),
    )
