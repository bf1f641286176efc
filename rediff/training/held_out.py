"""Which rows a training does not learn from."""

from __future__ import annotations

import itertools
import json
from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from rediff.io.files import replace
from rediff.training.draft_records import Correction
from rediff.training.items import Item, RecordItems

Source = TypeVar("Source", Item, Correction)
HELD_OUT = "held-out.jsonl"


def hold_out(
    groups: Sequence[Sequence[Source]], share: float
) -> list[tuple[Sequence[Source], Sequence[Source]]]:
    """The training part of each group, and the held-out part: all rows of a picture together, in
    whichever groups they are.

    Args:
        groups: items, or drafts with their corrections.
        share: of all pictures that is held out, evenly spread; at least one picture.

    Raises:
        ValueError: if nothing would be left to learn from.

    Examples:
        >>> from PIL import Image
        >>> items = [Item(name, Image.new("L", (1, 1)), ()) for name in "aabbccddee"]
        >>> ((learnt, held),) = hold_out([items], 0.4)
        >>> "".join(item.id for item in learnt), "".join(item.id for item in held)
        ('aaccee', 'bbdd')
    """
    pictures = [[_picture(source) for source in group] for group in groups]
    distinct = list(dict.fromkeys(itertools.chain.from_iterable(pictures)))
    count = max(1, round(share * len(distinct)))
    if count >= len(distinct):
        raise ValueError(f"of {len(distinct)} pictures none can be held out for validation")
    held = {distinct[(2 * turn + 1) * len(distinct) // (2 * count)] for turn in range(count)}

    def part(group: Sequence[Source], names: Sequence[Hashable], which: bool) -> Sequence[Source]:
        return _only(group, [i for i, name in enumerate(names) if (name in held) is which])

    return [
        (part(group, names, False), part(group, names, True))
        for group, names in zip(groups, pictures, strict=True)
    ]


def _picture(source: Item | Correction) -> Hashable:
    if isinstance(source, Correction):
        return source.draft.id
    return source.image if isinstance(source.image, Path) else source.id


def _only(sources: Sequence[Source], numbers: Sequence[int]) -> Sequence[Source]:
    if isinstance(sources, RecordItems):
        return sources.only(numbers)
    return [sources[number] for number in numbers]


def write_held_out(path: Path, items: Iterable[Item], prompt: str) -> None:
    """Lists held-out pictures with their captions, as an evaluation of one's own pictures reads
    them.

    Args:
        path: of the JSON lines; nothing is written where no picture has a caption.
        items: of pictures in files.
        prompt: the request for a caption; other answers are left out.
    """
    captions = defaultdict[Path, list[str]](list)
    for item in items:
        for dialogue in item.dialogues:
            if isinstance(item.image, Path) and [turn.question for turn in dialogue] == [prompt]:
                captions[item.image].append(dialogue[-1].answer)
    lines = [
        json.dumps({"image": str(image.resolve()), "captions": texts}) + "\n"
        for image, texts in captions.items()
    ]
    if lines:
        replace(path, "".join(lines))
