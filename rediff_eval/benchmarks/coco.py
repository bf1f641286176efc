"""COCO's annotations: pictures by number with captions, in one JSON file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rediff.io.names import find_file, id_text, is_file
from rediff_eval.benchmarks.pictures import of_file
from rediff_eval.benchmarks.reading import reference_texts
from rediff_eval.benchmarks.sample import Sample, broken_sample


def is_coco(value: object) -> bool:
    """Whether a JSON value has the form of COCO's annotations."""
    return isinstance(value, dict) and all(
        isinstance(value.get(key), list) for key in ("images", "annotations")
    )


def coco_samples(
    path: Path, value: Mapping[str, Any], notes: list[str]
) -> Iterator[tuple[str, Sample]]:
    """The samples of COCO's annotations at `path`, each with its place.

    A sample is called by its picture's file and known by its number, too. Pictures lie beside the
    file, or in a folder `images` or of the split's name (`val2014` of `captions_val2014.json`)
    beside it or one level up. An entry that cannot be used is a broken sample; a picture without
    captions has no references.
    """
    captions: defaultdict[str, list[str]] = defaultdict(list)
    for number, annotation in enumerate(value["annotations"], 1):
        place = f"{path}: annotation {number}"
        try:
            key = id_text(annotation["image_id"], place)
            captions[key] += reference_texts(annotation["caption"])
        except (KeyError, TypeError, ValueError):
            yield place, broken_sample(place, "expected 'image_id' and 'caption'")
    folders = _folders(path)
    for number, image in enumerate(value["images"], 1):
        place = f"{path}: image {number}"
        try:
            key, name = id_text(image["id"], place), image["file_name"]
            pictures = [find_file(folder / name) for folder in folders]
        except (KeyError, TypeError, ValueError):
            yield place, broken_sample(place, "expected 'id' and 'file_name'")
            continue
        picture = next((p for p in pictures if is_file(p)), None)
        if picture is None:
            yield place, broken_sample(name, f"no image file {pictures[0]}")
        else:
            yield place, of_file(name, picture, tuple(captions.pop(key, ())), (key,))
    if captions:
        notes.append(f"{path}: captions of {len(captions)} pictures that 'images' does not list")


def _folders(path: Path) -> list[Path]:
    split = path.stem.rpartition("_")[2]
    beside, above = path.parent, path.parent.parent
    return [beside, *(root / name for root in (beside, above) for name in ("images", split))]
