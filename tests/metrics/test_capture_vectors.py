"""CAPTURE against the official program's results."""

import hashlib
from typing import Any

import numpy as np
import pytest

from rediff_eval.metrics.capture.graph import CaptionGraph
from rediff_eval.metrics.capture.graph_text import clean, parse
from rediff_eval.metrics.capture.lexicon import wordnet
from rediff_eval.metrics.capture.matching import Matcher
from rediff_eval.metrics.capture.reading import keep_supported, merge, noun_lemmas, stop_words
from rediff_eval.metrics.capture.score import Capture, CaptureConfig
from rediff_eval.metrics.preset import OfficialCrashError

EXACT = 1e-9


class HashEncoder:
    """The encoder of the vectors: a phrase is the sum of its tokens' SHA-256 bytes."""

    name = "hash"

    def encode(self, phrases: list[str]) -> np.ndarray:
        return np.stack([self.vector(phrase) for phrase in phrases])

    def vector(self, phrase: str) -> np.ndarray:
        tokens = [hashlib.sha256(token.encode()).digest() for token in phrase.split() or [""]]
        return sum((np.frombuffer(t, np.uint8) - 127.5) / 127.5 for t in tokens)


def graph(raw: dict[str, Any]) -> CaptionGraph:
    return CaptionGraph(raw["objects"], raw["attributes"], [tuple(r) for r in raw["relations"]])


def scorer(**config: Any) -> Capture:
    return Capture(CaptureConfig(**{"preset": "official", **config}), HashEncoder())


@pytest.mark.vectors("capture", "encoder_check")
def test_the_encoder_of_the_vectors(case: dict[str, Any]) -> None:
    vector = HashEncoder().vector(case["phrase"])
    assert list(vector[:4]) == pytest.approx(case["vector_first4"])
    assert np.linalg.norm(vector) == pytest.approx(case["norm"])


@pytest.mark.vectors("capture", "f_score_cases")
def test_scores(case: dict[str, Any]) -> None:
    candidate, expected = graph(case["candidate"]), case["expected"]
    references = [graph(reference) for reference in case["references"]]
    if "error" in expected:
        assert expected["error"] in ("TypeError", "AssertionError")
        with pytest.raises(ValueError, match=r"official program ends|must sum to 1"):
            scorer(**case["config"]).score(candidate, references)
        return
    capture = scorer(**case["config"])
    assert capture.score(candidate, references).capture == pytest.approx(
        expected["score"], abs=EXACT
    )
    for reference, numbers in zip(references, expected["per_reference"], strict=True):
        found = capture.score_one(candidate, reference)
        for name, number in numbers.items():
            assert getattr(found, name) == pytest.approx(number, abs=EXACT), name
    mean = capture.score(candidate, references)
    for name, number in expected["report_percent_rounded"].items():
        assert 100 * getattr(mean, name) == pytest.approx(number, abs=0.011), name


@pytest.mark.vectors("capture", "corpus_cases")
def test_several_pictures(case: dict[str, Any]) -> None:
    capture = scorer()
    if "error" in case["expected"]:
        # Missing captions are failed samples, and no captions at all are no metric: see test_score.
        missing = case["references"].keys() - case["candidates"].keys()
        assert missing or not all(case["references"].values()) or not case["references"]
        return
    scores = {
        name: capture.score(graph(case["candidates"][name]), [graph(r) for r in references]).capture
        for name, references in case["references"].items()
    }
    assert scores == pytest.approx(case["expected"]["scores"], abs=EXACT)
    assert np.mean(list(scores.values())) == pytest.approx(case["expected"]["score"], abs=EXACT)


@pytest.mark.vectors("capture", "match_cases")
def test_matching(case: dict[str, Any]) -> None:
    found = Matcher(wordnet(), HashEncoder()).phrases(case["candidate"], case["reference"])
    assert found.hard == case["expected"]["hard"]
    for side in ("candidate_side", "reference_side"):
        assert getattr(found, side) == pytest.approx(case["expected"][side], abs=EXACT)


@pytest.mark.vectors("capture", "synonym_score_cases")
def test_synonym_scores(case: dict[str, Any]) -> None:
    matcher = Matcher(wordnet(), None)
    if isinstance(case["expected"], dict):
        with pytest.raises(OfficialCrashError, match=case["expected"]["error"]):
            matcher.synonym_score(case["a"], case["b"])
    else:
        score = matcher.synonym_score(case["a"], case["b"])
        assert score == pytest.approx(case["expected"], abs=EXACT)


@pytest.mark.vectors("capture", "synonym_list_cases")
def test_synonyms(case: dict[str, Any]) -> None:
    assert sorted(wordnet().synonyms("_".join(case["word"].split()))) == case["expected"]


@pytest.mark.vectors("capture", "lemma_cases")
def test_base_forms(case: dict[str, Any]) -> None:
    assert wordnet().lemma(case["word"], case["pos"]) == case["expected"]


@pytest.mark.vectors("capture", "graph_text_cases")
def test_graph_texts(case: dict[str, Any]) -> None:
    text = clean(case["generated"])
    assert text == case["expected"]["formatted"]
    found, expected = parse(text), case["expected"]["graph"]
    assert [
        {"head": e.head, "quantity": e.quantity, "attributes": sorted(e.attributes)}
        for e in found.entities
    ] == expected["entities"]
    assert [{"subject": s, "relation": r, "object": o} for s, r, o in found.relations] == expected[
        "relations"
    ]


def sorted_graph(found: CaptionGraph) -> dict[str, Any]:
    return {
        "objects": sorted(found.objects),
        "attributes": {owner: sorted(words) for owner, words in found.attributes.items()},
        "relations": sorted(map(list, found.relations)),
    }


def in_order(raw: dict[str, Any]) -> dict[str, Any]:
    return {
        "objects": sorted(raw["objects"]),
        "attributes": {owner: sorted(words) for owner, words in raw["attributes"].items()},
        "relations": sorted(raw["relations"]),
    }


@pytest.mark.vectors("capture", "parse_filter_cases")
def test_reading(case: dict[str, Any]) -> None:
    expected = case["expected"]
    merged = merge(parse(clean(text)) for text in case["graph_texts"])
    assert sorted_graph(merged) == in_order(expected["merged"])
    nouns = noun_lemmas(t for t in expected["tokens"] if t in case["noun_tokens"])
    assert sorted(nouns) == expected["noun_lemmas"]
    kept = keep_supported(merged, nouns, stop_words())
    assert sorted_graph(kept) == in_order(expected["filtered"])


def test_stop_words(vectors: dict[str, Any]) -> None:
    listed = vectors["capture"]["stop_words"]
    assert len(stop_words()) == listed["distinct"]
    assert stop_words() >= set(listed["members"])
    assert not stop_words() & set(listed["non_members"])


def test_a_caption_needs_references() -> None:
    with pytest.raises(ValueError, match="no references"):
        scorer().score(CaptionGraph(), [])


def test_sound_sorts_and_gives_one_for_two_empty_sides() -> None:
    """Where the official program depends on order, gives 0 for nothing against nothing, or dies."""
    sound = Capture(CaptureConfig(), HashEncoder())
    one = CaptionGraph(["boat", "ham"], {"boat": ["red"]}, [("boat", "on", "ham")])
    other = CaptionGraph(["ham", "boat"], {"boat": ["red"]}, [("boat", "on", "ham")])
    assert sound.score_one(one, other) == sound.score_one(other, one)
    assert sound.score_one(one, other).capture == pytest.approx(1, abs=1e-5)
    nothing = CaptionGraph()
    assert sound.score_one(nothing, nothing).capture == 1.0
    assert scorer().score_one(nothing, nothing).capture == 0.0
    bare = CaptionGraph(["tree"], {}, [])
    assert sound.score_one(bare, bare).capture == pytest.approx(1, abs=1e-5)
    assert scorer().score_one(bare, bare).capture == pytest.approx(0.5 / 1.2, abs=1e-5)
    blank = CaptionGraph(["  ", "tree"], {}, [])
    assert sound.score_one(blank, bare) == sound.score_one(bare, bare)


@pytest.mark.vectors("capture", "f_score_cases")
def test_sound_does_not_depend_on_order(case: dict[str, Any]) -> None:
    if "error" in case["expected"]:
        return
    sound = scorer(**case["config"], preset="corrected")
    candidate = graph(case["candidate"])
    turned = CaptionGraph(
        candidate.objects[::-1],
        {owner: words[::-1] for owner, words in reversed(candidate.attributes.items())},
        candidate.relations[::-1],
    )
    for reference in map(graph, case["references"]):
        assert sound.score_one(candidate, reference) == sound.score_one(turned, reference)
