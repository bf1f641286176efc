"""The parser and the encoder that CAPTURE runs, on checkpoints in miniature."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_models import make_mpnet, make_t5
from transformers import AutoModel, AutoTokenizer

from rediff_eval.metrics.capture.lite import LiteParser
from rediff_eval.metrics.capture.models.encoder import SentenceEncoder
from rediff_eval.metrics.capture.models.factual import FactualParser
from rediff_eval.metrics.capture.nouns import NltkNouns


class PlainNouns(NltkNouns):
    """Sentences by full stops; every token is a noun. NLTK's data need a network."""

    def sentences(self, text: str) -> list[str]:
        return [f"{part.strip()}." for part in text.split(".") if part.strip()]

    def nouns(self, text: str) -> list[str]:
        return text.replace(".", "").split()


@pytest.fixture(scope="module")
def t5(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_t5(tmp_path_factory.mktemp("t5"))


def test_the_parser_reads_each_sentence_once_and_keeps_it(t5: Path, tmp_path: Path) -> None:
    parser = FactualParser(t5, nouns=PlainNouns(), cache=tmp_path)
    asked: list[str] = []
    generate = parser._generate
    parser._generate = lambda some: (asked.extend(some), generate(some))[1]  # type: ignore[method-assign]
    captions = ["a red square. a square.", "a square.", ""]
    graphs = parser.parse(captions)
    assert sorted(asked) == ["a red square.", "a square."]
    assert len(graphs) == 3
    assert not graphs[2].objects
    again = FactualParser(t5, nouns=PlainNouns(), cache=tmp_path)
    again._generate = lambda some: pytest.fail("parsed again")  # type: ignore[method-assign]
    assert again.parse(captions) == graphs
    assert parser.name.startswith("factual@")


def test_long_sentences_are_cut_as_officially(t5: Path) -> None:
    parser = FactualParser(t5, nouns=PlainNouns())
    long = "red " * 200
    assert parser._generate([long]) == parser._generate([long + "square " * 50])


def test_missing_nltk_data_name_the_line_to_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nltk.data.path", [])
    with pytest.raises(ValueError, match="punkt_tab averaged_perceptron_tagger"):
        NltkNouns().sentences("A dog. A cat.")


def test_vectors_are_means_of_length_one(tmp_path: Path) -> None:
    folder = make_mpnet(tmp_path)
    phrases = ["a red square", "square"]
    vectors = SentenceEncoder(folder).encode(phrases)
    model, tokenizer = AutoModel.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    for phrase, vector in zip(phrases, vectors, strict=True):
        with torch.inference_mode():
            states = model(**tokenizer(phrase, return_tensors="pt")).last_hidden_state[0]
        mean = states.mean(0)
        assert vector == pytest.approx((mean / mean.norm()).numpy(), abs=1e-5)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1)


def test_the_lite_reader() -> None:
    graph, other = LiteParser().parse(
        [
            "A small red circle sits at the top left. The striped star is large and blue.",
            "A brick wall stands behind two wooden benches; the image has a background.",
        ]
    )
    assert graph.objects == ("circle", "star")
    assert graph.attributes == {"circle": ("small", "red"), "star": ("striped", "large", "blue")}
    assert other.objects == ("brick wall", "bench")
    assert ("brick wall", "stands behind", "bench") in other.relations
