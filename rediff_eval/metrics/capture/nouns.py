"""Sentences and nouns of a text, by NLTK."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

INSTALL = "pip install 'rediff[capture]'"
DATA = "python -m nltk.downloader punkt_tab averaged_perceptron_tagger_eng"
Tagger = Callable[[Sequence[str]], Sequence[tuple[str, str]]]


class NltkNouns:
    """NLTK's sentences, and the tokens that its tagger calls nouns (tags NN*).

    `tagger`: another tagger than NLTK's own. Raises ValueError with the line to run where NLTK or
    its data are missing.
    """

    def __init__(self, tagger: Tagger | None = None) -> None:
        if find_spec("nltk") is None:
            raise ValueError(f"CAPTURE needs NLTK: {INSTALL}")
        self.tagger = tagger

    def sentences(self, text: str) -> list[str]:
        """The sentences of a text."""
        from nltk.tokenize import sent_tokenize

        return _with_data(lambda: sent_tokenize(text))

    def nouns(self, text: str) -> list[str]:
        """The nouns of a text, as they are written."""
        from nltk import pos_tag, word_tokenize

        tag = self.tagger or pos_tag
        tagged = _with_data(lambda: tag(word_tokenize(text)))
        return [token for token, kind in tagged if kind.startswith("NN")]


def _with_data(ask: Callable[[], Any]) -> Any:
    try:
        return ask()
    except LookupError as error:
        raise ValueError(f"CAPTURE needs NLTK's data: {DATA}") from error
