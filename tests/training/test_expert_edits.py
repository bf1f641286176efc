"""Edits of an expert, as tokens of a draft."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from word_drafts import TOKENIZER, WORDS, draft_of

from rediff.data.records import TextEdit
from rediff.training.draft_records import Draft, pad_words
from rediff.training.stages.experts.conversation import read_edits
from rediff.training.stages.experts.served import (
    place_edits,
    spell_words,
)

edits = st.builds(
    TextEdit,
    st.sampled_from(["red", "blue", "a red", "red circle", "square on", "green", "."]),
    st.sampled_from(["blue", "big", "a blue", "blue square", "circle", "big big big", "."]),
    st.sampled_from([1, 2, None]),
)


@given(st.lists(st.sampled_from(WORDS[:8]), min_size=1, max_size=11), st.lists(edits, max_size=4))
def test_edits_touch_their_own_tokens_alone(words: list[str], wished: list[TextEdit]) -> None:
    draft = Draft(id="x", tokens_per_step=2, nfe=1, words=pad_words(words, 12))
    correction, unused = place_edits(draft, tuple(wished), TOKENIZER, first=False)
    touched = {
        place for s in correction.segments for place in range(s.start, s.start + len(s.wrong))
    }
    assert len(touched) == sum(len(s.wrong) for s in correction.segments), "none twice"
    for place, (before, after) in enumerate(zip(draft.words, correction.corrected(), strict=True)):
        assert before == after or place in touched
    unplaced = [s for s in correction.segments if not s.right]
    assert sum(correction.unsure()) == sum(len(s.wrong) for s in unplaced)
    assert len(correction.segments) + len(unused) == len(wished) + len(unplaced)


def test_the_place_that_is_meant_is_corrected_in_the_drafts_own_tokens() -> None:
    draft = draft_of("x")
    assert spell_words(draft.words, TOKENIZER).text == "a red square on a red circle."
    second, _ = place_edits(draft, (TextEdit("red", "blue", 2),), TOKENIZER, first=False)
    assert [s.start for s in second.segments] == [5]
    _, refused = place_edits(draft, (TextEdit("red", "blue"),), TOKENIZER, first=False)
    assert refused[0].reason == "segment found several times"
    official, _ = place_edits(draft, (TextEdit("red", "blue"),), TOKENIZER, first=True)
    assert [s.start for s in official.segments] == [1]
    gone, refused = place_edits(draft, (TextEdit("square", ""),), TOKENIZER, first=False)
    assert [s.right for s in gone.segments] == [()]
    longer, refused = place_edits(
        draft, (TextEdit("square", "big square", 1),), TOKENIZER, first=False
    )
    assert refused[0].reason == "unequal token counts"
    assert longer.unsure() == tuple(place == 2 for place in range(12))


@given(st.text())
def test_no_reply_breaks_the_reader(text: str) -> None:
    assert read_edits(text) is None
