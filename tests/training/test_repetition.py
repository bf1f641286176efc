"""Stage I on sentences that tell again what an earlier one tells."""

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import rediff
from rediff.decoding.canvas import SpecialIds
from rediff.models.anyres import ImageBatch
from rediff.models.checkpoint import Checkpoint
from rediff.scenes.sentence_parser import recognise
from rediff.scenes.training.facts import fact_vocabulary
from rediff.training.corruption import TokenRole
from rediff.training.data_order import BatchPosition
from rediff.training.examples import Answer, Example
from rediff.training.facts import FactVocabulary
from rediff.training.foundational_revision import FoundationalRevision
from rediff.training.objectives import MaskRatio

COLOURS, SIZES, WORD, STOP, EOS = (1, 2, 3), (4, 5), 6, 7, 8
FALSE = {token: [o for o in some if o != token] for some in (COLOURS, SIZES) for token in some}
FACTS = FactVocabulary(FALSE, size=9, stops=[STOP])
sentences = st.lists(st.sampled_from([*COLOURS, *SIZES, WORD]), max_size=5)


def meaning(text: list[int]) -> tuple[list[int], list[int]]:
    """The colours and the sizes of a sentence, as it tells them one after another."""
    return [t for t in text if t in COLOURS], [t for t in text if t in SIZES]


def likeness(text: list[int]) -> list[int]:
    return [len(facts) for facts in meaning(text)]


def kinds(text: list[int]) -> list[list[bool]]:
    return [[t in COLOURS, t in SIZES, t == WORD, t == STOP] for t in text]


@given(st.lists(sentences, min_size=1, max_size=5), st.integers(0, 10_000))
@settings(max_examples=200, deadline=None)
def test_a_sentence_means_what_one_before_means(texts: list[list[int]], seed: int) -> None:
    """If there is one that is like it; and its words that state nothing stay, in their places."""
    row = [token for text in texts for token in (*text, STOP)] + [EOS]
    torch.manual_seed(seed)
    repeated = FACTS.repeated_tokens(torch.tensor([row]), 1.0)[0].tolist()
    start = 0
    for number, text in enumerate(texts):
        after = repeated[start : start + len(text) + 1]
        alike = [told for told in texts[:number] if likeness(told) == likeness(text)]
        assert meaning(after) in [meaning(told) for told in alike or [text]]
        assert kinds(after) == kinds([*text, STOP])
        start += len(text) + 1
    assert torch.equal(FACTS.repeated_tokens(torch.tensor([row]), 0.0)[0], torch.tensor(row))


def test_sentences_repeat_at_the_rate() -> None:
    torch.manual_seed(0)
    rows = torch.tensor([[1, STOP, 2, STOP]] * 4000)
    share = (FACTS.repeated_tokens(rows, 0.3)[:, 2] == 1).float().mean().item()
    assert share == pytest.approx(0.3, abs=0.03)


@pytest.mark.parametrize(
    ("first", "second", "begins"),
    [
        (
            "a red star , big and dotted , lies in the central left area .",
            "painted blue and plain , a little ring stands on the right of the top row .",
            "painted red and dotted , a big star stands on the left",
        ),
        (
            "the star is above the ring .",
            "the ring sits under the heart .",
            "the star sits above the ring .",
        ),
        (
            "the star is left of the ring .",
            "the heart rests to the right of the star .",
            "the star rests to the left of the ring .",
        ),
    ],
)
def test_a_sentence_repeats_in_its_own_words(first: str, second: str, begins: str) -> None:
    checkpoint = Checkpoint.load(Path(rediff.__file__).parent / "checkpoints" / "base")
    ids = checkpoint.tokenizer.get_vocab()
    target = torch.tensor([[ids[word] for word in f"{first} {second}".split()]])
    torch.manual_seed(0)
    told = fact_vocabulary(checkpoint).repeated_tokens(target, 1.0)[0].tolist()
    words = {number: word for word, number in ids.items()}
    again = " ".join(words[token] for token in told).removeprefix(first + " ")
    known, own = recognise(again), recognise(first)
    assert known is not None
    assert own is not None
    assert known == own
    assert again.startswith(begins)


@given(st.integers(0, 10_000), st.floats(0.0, 1.0))
@settings(max_examples=50, deadline=None)
def test_what_is_repeated_is_visible_and_to_be_replaced(seed: int, rate: float) -> None:
    target = torch.tensor([1, 4, STOP, WORD, 2, STOP, 5, 3, STOP, EOS, EOS])
    ids = SpecialIds(mask=0, eos=EOS)
    objective = FoundationalRevision(
        ids, torch.tensor([WORD]), FACTS, MaskRatio(), 0.0, 0.0, repetition_rate=rate
    )
    picture = ImageBatch(torch.zeros(1, 3, 2, 2), (1,), ((2, 2),))
    torch.manual_seed(seed)
    row = objective(Example(picture, (Answer((), target),)), BatchPosition(0, 1, 0))
    tokens, role = row.corrupted.tokens[0], row.corrupted.role[0]
    wrong = (tokens != target) & (tokens != ids.mask)
    assert torch.equal(wrong, role == TokenRole.HALLUCINATION)
    assert torch.equal(tokens == ids.mask, role == TokenRole.MASK)
    assert not wrong[:3].any(), "nothing comes before the first sentence"


@pytest.mark.parametrize("facts", [None, FactVocabulary(FALSE, size=9)])
def test_a_rate_takes_facts_and_ends_of_sentences(facts: FactVocabulary | None) -> None:
    ids, words = SpecialIds(mask=0, eos=EOS), torch.tensor([WORD])
    FoundationalRevision(ids, words, facts, MaskRatio(), 0.0, 0.0)
    with pytest.raises(ValueError, match="which words state facts and end sentences"):
        FoundationalRevision(ids, words, facts, MaskRatio(), 0.0, 0.0, repetition_rate=0.1)
