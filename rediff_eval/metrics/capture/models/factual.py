"""FACTUAL's parser: a T5 that writes each sentence's scene graph (Li et al. 2023)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer, T5ForConditionalGeneration

from rediff.io.files import replace
from rediff.models.weights import weights_hash
from rediff_eval.metrics.capture.graph import CaptionGraph
from rediff_eval.metrics.capture.graph_text import TASK, clean, parse
from rediff_eval.metrics.capture.nouns import NltkNouns
from rediff_eval.metrics.capture.reading import keep_supported, merge, noun_lemmas, stop_words

MAX_INPUT, MAX_OUTPUT, BEAMS = 64, 128, 5
BATCH = 32


class FactualParser:
    """CAPTURE's own way to read a caption.

    Sentences are parsed one by one (beam 5; cut at 64 tokens with the task's words, so a long
    sentence loses its tail, as officially) and merged; facts that the caption's nouns do not
    support are taken out. FactualSceneGraph 0.7.3 cuts the longest sentence of a caption one token
    shorter still, mostly its full stop; that is not done here.

    `folder`: the checkpoint. `nouns`: sentences and nouns of a text. `cache`: a folder where parsed
    sentences are kept by the hash of weights and sentence; None keeps them in memory alone.
    """

    def __init__(
        self,
        folder: Path,
        *,
        nouns: NltkNouns | None = None,
        cache: Path | None = None,
        device: str = "cpu",
    ) -> None:
        self.tokenizer: Any = AutoTokenizer.from_pretrained(folder)
        model: Any = T5ForConditionalGeneration.from_pretrained(folder, use_safetensors=True)
        self.model = model.to(device).eval()
        self.nouns = nouns or NltkNouns()
        self.name = f"factual@{weights_hash(folder)[:8]}"
        self.cache = cache
        self.known: dict[str, str] = {}

    def parse(self, captions: Sequence[str]) -> list[CaptionGraph]:
        """A graph for each caption; a sentence that occurs in several is parsed once."""
        sentences = [self.nouns.sentences(caption) for caption in captions]
        self._write_graphs([s for some in sentences for s in some])
        return [
            keep_supported(
                merge(parse(self.known[sentence]) for sentence in some),
                noun_lemmas(self.nouns.nouns(caption)),
                stop_words(),
            )
            for caption, some in zip(captions, sentences, strict=True)
        ]

    def _write_graphs(self, sentences: Sequence[str]) -> None:
        for sentence in dict.fromkeys(sentences):
            if sentence not in self.known and (path := self._path(sentence)) and path.exists():
                self.known[sentence] = json.loads(path.read_text(encoding="utf-8"))["graph"]
        todo = [s for s in dict.fromkeys(sentences) if s not in self.known]
        by_length = sorted(todo, key=len)
        for start in range(0, len(by_length), BATCH):
            batch = by_length[start : start + BATCH]
            for sentence, text in zip(batch, self._generate(batch), strict=True):
                self.known[sentence] = clean(text)
                if path := self._path(sentence):
                    path.parent.mkdir(parents=True, exist_ok=True)
                    entry = {"sentence": sentence, "graph": self.known[sentence]}
                    replace(path, json.dumps(entry))

    @torch.inference_mode()
    def _generate(self, sentences: Sequence[str]) -> list[str]:
        encoded = self.tokenizer(
            [f"{TASK} {sentence.strip()}" for sentence in sentences],
            max_length=MAX_INPUT,
            truncation=True,
            padding="longest",
            return_tensors="pt",
        ).to(self.model.device)
        written = self.model.generate(
            encoded["input_ids"],
            attention_mask=encoded["attention_mask"],
            decoder_start_token_id=self.tokenizer.pad_token_id,
            num_beams=BEAMS,
            early_stopping=True,
            max_length=MAX_OUTPUT,
        )
        return self.tokenizer.batch_decode(
            written, skip_special_tokens=True, clean_up_tokenization_spaces=True
        )

    def _path(self, sentence: str) -> Path | None:
        if self.cache is None:
            return None
        key = hashlib.sha256(f"{self.name}\0{sentence}".encode()).hexdigest()
        return self.cache / key[:2] / f"{key[2:32]}.json"
