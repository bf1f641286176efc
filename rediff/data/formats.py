"""The formats of public training data, each as records.

`vicrit`: captions of which one segment was changed, with the segment before and after.
`conversations`: LLaVA's, of its 1.5 mix and of ShareGPT4V: turns by "human" and "gpt".
`revisions`: the authors' drafts with an expert's corrections (ReDiff_base_revise_o4): a
conversation and `revise`, a list of `org` and `target`.
`lines`: plain: `image`, `question`, `answer`, and `edits` of `wrong` and `right` if there are any.
`captions`: a picture (`IMAGES`) and its caption or captions (`CAPTIONS`), as evaluations of one's
own pictures read them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from rediff.data.records import Dropped, Record, TextEdit, Turn
from rediff.io.json_files import iterate_json

Format = Literal["vicrit", "conversations", "revisions", "lines", "captions"]
IMAGES = ("image", "file_name", "image_path", "filename", "path")
CAPTIONS = ("references", "captions", "caption", "text")
"""Keys that may hold a picture, and its captions, in the order of preference."""
MARK = "<image>"
"""Where the picture is in a question of LLaVA's."""


def read_records(form: Format, path: Path, images: Path) -> Iterator[Record | Dropped]:
    """The records of a file, in its order; malformed ones as `Dropped`, with file and line.

    `images`: the folder that picture paths start from; none may lead out of it. Raises as
    `iterate_json` does.
    """
    make = MAKERS[form]
    for number, (line, raw) in enumerate(iterate_json(path), 1):
        place = f"{path}:{line}"
        if line != number:
            place += f", record {number}"
        try:
            if not isinstance(raw, dict):
                raise ValueError("no object")
            for count, (name, turns, edits) in enumerate(make(raw)):
                own = f"{place}, caption {count + 1}" if count else place
                yield Record(own, _find(images, name), turns, edits)
        except _NoPictureError:
            yield Dropped(place, "no picture", broken=False)
        except KeyError as error:
            yield Dropped(place, f"no {error.args[0]!r}")
        except (ValueError, FileNotFoundError) as error:
            yield Dropped(place, str(error))


def given_key(record: Mapping[str, Any], names: Iterable[str]) -> str | None:
    """The first of some keys that has a value in a record.

    Args:
        record: of a listing.
        names: in the order of preference.
    """
    return next((name for name in names if record.get(name) not in (None, [], "")), None)


class _NoPictureError(Exception):
    """A record of text alone."""


Made = tuple[str, tuple[Turn, ...], tuple[TextEdit, ...]]
"""The name of a picture, a dialogue, and edits of its last answer."""


def _vicrit(raw: Mapping[str, Any]) -> list[Made]:
    names = ("problem", "changed_caption", "solution_target", "solution_original")
    problem, changed, wrong, right = (_text(raw[name], name) for name in names)
    picture = _text(raw["image"], "image").rpartition("/")[2]
    question = problem.replace(MARK, "").strip()
    return [(picture, (Turn(question, changed),), (TextEdit(wrong, right),))]


def _conversation(raw: Mapping[str, Any]) -> list[Made]:
    if not raw.get("image"):
        raise _NoPictureError
    said = raw["conversations"]
    if not isinstance(said, list) or not said or len(said) % 2:
        raise ValueError("'conversations' must be pairs of question and answer")
    texts = [_said(part, "human" if i % 2 == 0 else "gpt") for i, part in enumerate(said)]
    pairs = zip(texts[::2], texts[1::2], strict=True)
    turns = tuple(Turn(question.replace(MARK, "").strip(), answer) for question, answer in pairs)
    return [(_text(raw["image"], "image"), turns, ())]


def _said(part: Any, speaker: str) -> str:
    if not isinstance(part, dict) or part.get("from") != speaker:
        raise ValueError(f"'conversations': expected a turn of {speaker!r}")
    return _text(part["value"], "value")


def _revisions(raw: Mapping[str, Any]) -> list[Made]:
    ((picture, turns, _),) = _conversation(raw)
    return [(picture, turns, _edits(raw["revise"], "org", "target"))]


def _line(raw: Mapping[str, Any]) -> list[Made]:
    turn = Turn(_text(raw["question"], "question"), _text(raw["answer"], "answer"))
    return [(_text(raw["image"], "image"), (turn,), _edits(raw.get("edits", []), "wrong", "right"))]


def _captions(raw: Mapping[str, Any]) -> list[Made]:
    """A record for each caption, which answers the model's own request for one."""
    image, captions = given_key(raw, IMAGES), given_key(raw, CAPTIONS)
    if image is None or captions is None:
        raise KeyError("image" if image is None else "caption")
    name, found = _text(raw[image], "image"), raw[captions]
    texts = found if isinstance(found, list) else [found]
    return [(name, (Turn("", _text(text, "caption")),), ()) for text in texts]


def _edits(raw: Any, wrong: str, right: str) -> tuple[TextEdit, ...]:
    if not isinstance(raw, list) or not all(isinstance(part, dict) for part in raw):
        raise ValueError("edits must be a list of objects")
    return tuple(TextEdit(_text(p[wrong], wrong), _text(p[right], right)) for p in raw)


MAKERS: Mapping[Format, Callable[[Mapping[str, Any]], list[Made]]] = {
    "vicrit": _vicrit,
    "conversations": _conversation,
    "revisions": _revisions,
    "lines": _line,
    "captions": _captions,
}


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{name!r} must be a string")
    return value


def _find(images: Path, name: str) -> Path:
    path = images / name
    if not path.resolve().is_relative_to(images.resolve()):
        raise ValueError(f"picture {name!r} lies outside of {images}")
    if not path.is_file():
        raise FileNotFoundError(f"no picture {path}")
    return path
