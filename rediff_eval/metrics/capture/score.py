"""CAPTURE's score of a caption against its references, given their graphs.

For objects, attributes and relations, with M the sum of match scores of a side:

    P = M_candidate / (n_candidate + eps), R = M_reference / (n_reference + eps),
    F = 2 P R / (P + R + eps)
    CAPTURE = (alpha F_objects + beta F_attributes + gamma F_relations) / (alpha + beta + gamma)

with alpha = beta = 0.5 and gamma = 0.2: weights of 5 : 5 : 2 (Dong et al. 2024, arXiv 2405.19092,
equation 3). A caption's value is the mean over its references.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from rediff_eval.metrics.capture.graph import CaptionGraph, Relation, pieces
from rediff_eval.metrics.capture.lexicon import wordnet
from rediff_eval.metrics.capture.matching import Encoder, Match, Matcher
from rediff_eval.metrics.preset import Preset


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureConfig:
    """How to score.

    `alpha`, `beta`, `gamma`: weights of objects, attributes and relations, the first two of which
    must sum to 1. `synonym_matching`, `soft_matching`: whether WordNet and cosines match what is
    not equal. `eps`: added to counts. `preset`: "official" matches in the order of the lists and
    gives 0 for two empty sides; "corrected" sorts first, gives 1 for two empty sides, and leaves
    out blank phrases, on which the official program dies. Raises ValueError for other weights.
    """

    alpha: float = 0.5
    beta: float = 0.5
    gamma: float = 0.2
    synonym_matching: bool = True
    soft_matching: bool = True
    eps: float = 1e-6
    preset: Preset = "corrected"

    def __post_init__(self) -> None:
        if self.alpha + self.beta != 1.0:
            raise ValueError("the weights of objects and attributes must sum to 1")


@dataclass(frozen=True, slots=True)
class CaptureScore:
    """The score and its parts, each from 0 to 1, or below 0 by negative cosines."""

    capture: float
    object_precision: float
    object_recall: float
    object_f1: float
    attribute_precision: float
    attribute_recall: float
    attribute_f1: float
    relation_precision: float
    relation_recall: float
    relation_f1: float


class Capture:
    """CAPTURE (Dong et al. 2024, equation 3): (5 object F1 + 5 attribute F1 + 2 relation F1) / 12.

    Attributes are one list for all owners. One instance keeps its lookups and
    encoded; use it for all captions.
    """

    def __init__(self, config: CaptureConfig, encoder: Encoder | None) -> None:
        self.config = config
        self.matcher = Matcher(
            wordnet() if config.synonym_matching else None,
            encoder if config.soft_matching else None,
        )

    def score(self, candidate: CaptionGraph, references: Sequence[CaptionGraph]) -> CaptureScore:
        """The mean over the references. Raises ValueError if there are none."""
        if not references:
            raise ValueError("no references to score against")
        scores = [list(asdict(self.score_one(candidate, ref)).values()) for ref in references]
        return CaptureScore(*map(float, np.mean(scores, axis=0)))

    def score_one(self, candidate: CaptionGraph, reference: CaptionGraph) -> CaptureScore:
        """The score against one reference. Raises OfficialCrashError as `Matcher` does."""
        one, two = (_Lists.of(graph, self.config.preset) for graph in (candidate, reference))
        parts = [
            self._part(self.matcher.phrases(one.objects, two.objects), one.objects, two.objects),
            self._part(
                self.matcher.phrases(one.qualities, two.qualities), one.qualities, two.qualities
            ),
            self._part(
                self.matcher.relations(one.relations, two.relations), one.relations, two.relations
            ),
        ]
        weights = (self.config.alpha, self.config.beta, self.config.gamma)
        total = sum(weight * f1 for weight, (_, _, f1) in zip(weights, parts, strict=True))
        return CaptureScore(total / sum(weights), *(number for part in parts for number in part))

    def encode_ahead(self, graphs: Sequence[CaptionGraph]) -> None:
        """Encodes every phrase of the graphs at once."""
        self.matcher.encode_ahead(
            [
                phrase
                for graph in graphs
                for phrase in (*graph.objects, *graph.qualities(), *pieces(graph.relations))
            ]
        )

    def _part(
        self, match: Match, candidates: Sequence[object], references: Sequence[object]
    ) -> tuple[float, float, float]:
        if self.config.preset == "corrected" and not candidates and not references:
            return 1.0, 1.0, 1.0
        eps = self.config.eps
        precision = match.candidate_side / (len(candidates) + eps)
        recall = match.reference_side / (len(references) + eps)
        return precision, recall, 2 * precision * recall / (precision + recall + eps)


@dataclass(frozen=True, slots=True)
class _Lists:
    objects: Sequence[str]
    qualities: Sequence[str]
    relations: Sequence[Relation]

    @classmethod
    def of(cls, graph: CaptionGraph, preset: Preset) -> _Lists:
        if preset == "official":
            return cls(graph.objects, graph.qualities(), graph.relations)
        return cls(
            sorted(filter(str.strip, graph.objects)),
            sorted(filter(str.strip, graph.qualities())),
            sorted(r for r in graph.relations if all(map(str.strip, r))),
        )
