"""WordNet's entry of a word: its synonyms and its base form.

`wordnet-3.0.txt.xz` is WordNet 3.0 without glosses and links: a line for each set of synonyms and
for each irregular form. `python -m rediff_eval.metrics.capture.lexicon DICT OUT` makes it from
WordNet's own files. WordNet 3.0 is Princeton University's, see `wordnet-license.txt`.
"""

from __future__ import annotations

import functools
import lzma
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

PARTS: Mapping[str, str] = {"n": "noun", "v": "verb", "a": "adj", "r": "adv"}
"""Parts of speech by WordNet's letters, with the names of their files."""
ENDINGS: Mapping[str, Sequence[tuple[str, str]]] = {
    "n": (
        ("s", ""),
        ("ses", "s"),
        ("ves", "f"),
        ("xes", "x"),
        ("zes", "z"),
        ("ches", "ch"),
        ("shes", "sh"),
        ("men", "man"),
        ("ies", "y"),
    ),
    "v": (
        ("s", ""),
        ("ies", "y"),
        ("es", "e"),
        ("es", ""),
        ("ed", "e"),
        ("ed", ""),
        ("ing", "e"),
        ("ing", ""),
    ),
    "a": (("er", ""), ("est", ""), ("er", "e"), ("est", "e")),
    "r": (),
}
"""Morphy's rules: an ending, and its replacement in the base form."""
EXCEPTION = "-"
TABLE = Path(__file__).with_name("wordnet-3.0.txt.xz")


class Lexicon:
    """WordNet's synonyms and base forms, as NLTK 3.10 gives them (their order aside)."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.sets: dict[str, defaultdict[str, list[frozenset[str]]]] = {
            part: defaultdict(list) for part in PARTS
        }
        self.exceptions: dict[str, dict[str, list[str]]] = {part: {} for part in PARTS}
        for line in lines:
            part, *words = line.split()
            if part.startswith(EXCEPTION):
                self.exceptions[part.removeprefix(EXCEPTION)][words[0]] = words[1:]
                continue
            names = frozenset(words)
            for word in {name.lower() for name in names}:
                self.sets[part][word].append(names)
        self.synonyms = functools.cache(self._synonyms)
        self.lemma = functools.cache(self._lemma)

    @classmethod
    def load(cls, path: Path = TABLE) -> Lexicon:
        """The lexicon that comes with the package."""
        with lzma.open(path, "rt", encoding="utf-8") as file:
            return cls(file)

    def _synonyms(self, word: str) -> frozenset[str]:
        """Names of all sets that hold `word` or a base form of it, in any part of speech.

        Words of a compound are joined by underscores, in `word` too.
        """
        word = word.lower()
        sets = (
            names
            for part in PARTS
            for form in self._base_forms(word, part)
            for names in self.sets[part][form]
        )
        return frozenset().union(*sets)

    def _lemma(self, word: str, part: str) -> str:
        """The shortest base form of `word`; the word itself where WordNet has none.

        `part`: a letter of `PARTS`. Case-sensitive: WordNet's words are in lower case.
        """
        return min(self._base_forms(word, part), key=len, default=word)

    def _base_forms(self, word: str, part: str) -> list[str]:
        forms = self.exceptions[part].get(word)
        if forms is None:
            forms = [
                word.removesuffix(old) + new for old, new in ENDINGS[part] if word.endswith(old)
            ]
        return [form for form in dict.fromkeys([word, *forms]) if form in self.sets[part]]


@functools.cache
def wordnet() -> Lexicon:
    """The shipped lexicon, read once a process."""
    return Lexicon.load()


def read_wordnet(folder: Path) -> Iterator[str]:
    """The table's lines from WordNet's `data.*` and `*.exc` files."""
    for part, name in PARTS.items():
        for line in (folder / f"data.{name}").read_text(encoding="utf-8").splitlines():
            if line.startswith(" "):
                continue  # the licence comes before the data
            fields = line.split(" ")
            words = fields[4 : 4 + 2 * int(fields[3], 16) : 2]
            yield " ".join([part, *(word.partition("(")[0] for word in words)])
        for line in (folder / f"{name}.exc").read_text(encoding="utf-8").splitlines():
            yield f"{EXCEPTION}{part} {line}"


if __name__ == "__main__":
    text = "".join(f"{line}\n" for line in read_wordnet(Path(sys.argv[1])))
    Path(sys.argv[2]).write_bytes(lzma.compress(text.encode(), preset=9 | lzma.PRESET_EXTREME))
