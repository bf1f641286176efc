"""From the graphs of sentences to the graph of a caption, as CAPTURE filters it."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable
from pathlib import Path

from rediff_eval.metrics.capture.graph import CaptionGraph, GraphBuilder
from rediff_eval.metrics.capture.graph_text import SentenceGraph
from rediff_eval.metrics.capture.lexicon import wordnet


def merge(sentences: Iterable[SentenceGraph]) -> CaptionGraph:
    """All that the sentences state, in base forms.

    Heads are lemmatized as nouns, attributes as adjectives; attributes with " of" and quantities
    are left out.
    """
    lemma, graph = wordnet().lemma, GraphBuilder()
    for sentence in sentences:
        heads = [lemma(entity.head, "n") for entity in sentence.entities]
        for head, entity in zip(heads, sentence.entities, strict=True):
            graph.add_object(head)
            for word in (lemma(attribute, "a") for attribute in entity.attributes):
                if " of" not in word:
                    graph.add_attribute(head, word)
        for subject, predicate, other in sentence.relations:
            graph.add_relation((heads[subject], predicate, heads[other]))
    return graph.build()


def noun_lemmas(nouns: Iterable[str]) -> set[str]:
    """Base forms of a caption's nouns, case-sensitive."""
    return {wordnet().lemma(noun, "n") for noun in nouns}


def keep_supported(
    graph: CaptionGraph, nouns: Collection[str], stop_words: Collection[str]
) -> CaptionGraph:
    """The graph without facts that the caption's nouns do not support.

    A phrase is supported if it, or each of its words, is among `nouns`. Objects must be no stop
    word besides; attributes need a supported owner, relations both ends.

    Args:
        graph: of a caption.
        nouns: of the caption.
        stop_words: that are no objects.
    """

    def supported(phrase: str) -> bool:
        return phrase in nouns or all(word in nouns for word in phrase.split(" "))

    return CaptionGraph(
        tuple(o for o in graph.objects if o not in stop_words and supported(o)),
        {owner: words for owner, words in graph.attributes.items() if supported(owner)},
        tuple(r for r in graph.relations if supported(r[0]) and supported(r[2])),
    )


@functools.cache
def stop_words() -> frozenset[str]:
    """The 317 objects that CAPTURE never counts (from its package, Apache-2.0)."""
    text = Path(__file__).with_name("stop_words.txt").read_text(encoding="utf-8")
    return frozenset(text.split("\n")) - {""}
