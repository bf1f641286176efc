"""CapMAS: pictures with human captions and questions, the data of CLAIR, Coverage, Factuality."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from rediff.io.text_files import Row, parse_json, read_rows, read_text
from rediff_eval.benchmarks.pictures import of_file
from rediff_eval.benchmarks.reading import find_pictures
from rediff_eval.benchmarks.sample import Question, Sample, broken_sample

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

    An entry that cannot be used is a broken sample. Raises FileNotFoundError saying what to get.
    """
    listing = folder / LISTING
    if not listing.is_file():
        raise FileNotFoundError(f"no {listing}; {HOW}")
    pictures, samples = find_pictures(folder, PICTURES, HOW), []
    for row in read_rows(listing):
        try:
            samples.append(_sample(folder, pictures, row))
        except (ValueError, FileNotFoundError) as error:
            samples.append(broken_sample(row.place, f"{row.place}: {error}"))
    return samples


def _sample(folder: Path, pictures: Path, row: Row) -> Sample:
    record = row.value if isinstance(row.value, dict) else {}
    name, caption = record.get("image"), record.get("caption")
    if not isinstance(name, str) or not isinstance(caption, str):
        raise ValueError(row.broken or "expected 'image' and 'caption'")
    picture = pictures / f"{name}{SUFFIX}"
    if not picture.is_file():
        raise FileNotFoundError(f"no {picture}; {HOW}")
    sample = of_file(picture.name, picture, (caption,))
    return dataclasses.replace(sample, questions=_questions(folder / QUESTIONS, name))


def _questions(folder: Path, name: str) -> tuple[Question, ...]:
    path = folder / f"{name}.json"
    if not path.is_file():
        raise FileNotFoundError(f"no {path}; {HOW}")
    record = parse_json(read_text(path), str(path))
    if not isinstance(record, dict):
        raise ValueError(f"{path}: expected an object")
    texts, answers = record.get("questions"), record.get("answers")
    if not isinstance(texts, list) or not isinstance(answers, list) or len(texts) != len(answers):
        raise ValueError(f"{path}: expected as many 'questions' as 'answers'")
    if not all(isinstance(text, str) for text in (*texts, *answers)):
        raise ValueError(f"{path}: a question or answer must be a string")
    return tuple(map(Question, texts, answers))
