"""CapMAS: pictures with human captions and questions, the data of CLAIR, Coverage, Factuality."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rediff_eval.samples import Question, Sample
from rediff_eval.sources.own import of_file
from rediff_eval.sources.reading import find_pictures, parse_json

LISTING = Path("data/data.jsonl")
QUESTIONS = Path("data/COVERAGE_TEST_VQA")
PICTURES = ("images", "images_capmas", "data/images")
SUFFIX = ".jpg"
HOW = (
    "check out https://github.com/adobe-research/CapMAS there, and unpack images_capmas.tar.gz of"
    f" the hub data set saehyungl/CapMAS into its folder {PICTURES[0]}"
)


def load_capmas(folder: Path) -> list[Sample]:
    """The samples of a checkout of CapMAS, called as its caption files call them.

    Raises FileNotFoundError saying what to get, ValueError naming the line or file of what is
    broken.
    """
    listing = folder / LISTING
    if not listing.is_file():
        raise FileNotFoundError(f"no {listing}; {HOW}")
    return list(_read(folder, listing))


def _read(folder: Path, listing: Path) -> Iterator[Sample]:
    pictures = find_pictures(folder, PICTURES, HOW)
    with listing.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            record = _object(line, f"{listing}:{number}")
            name, caption = record.get("image"), record.get("caption")
            if not isinstance(name, str) or not isinstance(caption, str):
                raise ValueError(f"{listing}:{number}: expected 'image' and 'caption'")
            picture = pictures / f"{name}{SUFFIX}"
            if not picture.is_file():
                raise FileNotFoundError(f"no {picture}; {HOW}")
            sample = of_file(picture.name, picture, (caption,))
            yield dataclasses.replace(sample, questions=_questions(folder / QUESTIONS, name))


def _questions(folder: Path, name: str) -> tuple[Question, ...]:
    path = folder / f"{name}.json"
    if not path.is_file():
        raise FileNotFoundError(f"no {path}; {HOW}")
    record = _object(path.read_text(encoding="utf-8"), str(path))
    texts, answers = record.get("questions"), record.get("answers")
    if not isinstance(texts, list) or not isinstance(answers, list) or len(texts) != len(answers):
        raise ValueError(f"{path}: expected as many 'questions' as 'answers'")
    if not all(isinstance(text, str) for text in (*texts, *answers)):
        raise ValueError(f"{path}: a question or answer is no text")
    return tuple(map(Question, texts, answers))


def _object(text: str, where: str) -> dict[str, Any]:
    record = parse_json(text, where)
    if not isinstance(record, dict):
        raise ValueError(f"{where}: expected an object")
    return record
