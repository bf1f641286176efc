"""Sources mixed by stated counts, streamed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from rediff.data.alignment import AlignmentError, align
from rediff.data.formats import Format, read_records
from rediff.data.images import image_size
from rediff.data.records import Dropped, Record
from rediff.data.store import Stored
from rediff.models.hub import fetch
from rediff.strict_yaml import load_yaml

PATIENCE = 100
"""Records that are read before the share of broken ones is judged."""


class Source(BaseModel):
    """A file of one format with its pictures. `count`: records to take, None for all.

    `max_broken`: share of malformed records that may be skipped. `first`: see `align`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Format
    path: Path
    images: Path
    count: int | None = Field(default=None, gt=0)
    max_broken: float = Field(default=0.01, ge=0, le=1)
    first: bool = False


class Mixture(BaseModel):
    """Named sources, and the tokenizer (a folder or hub id) that edits are aligned by."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tokenizer: str
    sources: dict[str, Source] = Field(min_length=1)

    @classmethod
    def load(cls, path: Path) -> Mixture:
        """From a YAML file; paths start from its folder. Raises ValueError naming the file."""
        mixture = load_yaml(path, cls)
        sources = {
            name: source.model_copy(
                update={"path": path.parent / source.path, "images": path.parent / source.images}
            )
            for name, source in mixture.sources.items()
        }
        return mixture.model_copy(update={"sources": sources})


@dataclass(slots=True)
class Tally:
    """What was read of a source: records used, their tokens, and the rest by reason."""

    records: int = 0
    tokens: int = 0
    broken: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)

    def to_record(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {name: getattr(self, name) for name in self.__slots__}

    def drop(self, dropped: Dropped) -> None:
        """Counts a record that is not used; the place of the first of each reason is kept."""
        self.broken += dropped.broken
        self.dropped[dropped.reason] += 1
        self.examples.setdefault(dropped.reason, dropped.place)


Measured = tuple[Record, int, tuple[int, int]]
"""A record, the tokens of its answers, its picture's (width, height) in pixels."""


def usable(source: Source, tokenizer: Any, tally: Tally) -> Iterator[Measured]:
    """The records of a source that can be trained on, up to its count; the rest is tallied.

    Raises ValueError naming the first broken record once more than the stated share is broken, and
    if there are fewer usable records than the count.
    """
    for record in read_records(source.format, source.path, source.images):
        found = record if isinstance(record, Dropped) else _measure(source, record, tokenizer)
        if isinstance(found, Dropped):
            tally.drop(found)
        else:
            tally.records += 1
            tally.tokens += found[1]
            yield found
        if tally.records + tally.dropped.total() >= PATIENCE:
            _check_share(source, tally)
        if tally.records == source.count:
            return
    _check_share(source, tally)
    if source.count is not None and tally.records < source.count:
        raise ValueError(
            f"{source.path} has {tally.records} usable records, {source.count} are wanted"
        )


def mix(
    mixture: Mixture, tokenizer: Any, tallies: Mapping[str, Tally] | None = None
) -> Iterator[Stored]:
    """All sources in one stream, each spread evenly over it, in an order that is always the same.

    `tallies`: by source, filled while the stream is read.
    """
    tallies = tallies or {name: Tally() for name in mixture.sources}
    sizes = {
        name: source.count or _count(source, tokenizer) for name, source in mixture.sources.items()
    }
    streams = {
        name: usable(source, tokenizer, tallies[name]) for name, source in mixture.sources.items()
    }
    places = sorted(
        ((number + 0.5) / size, name) for name, size in sizes.items() for number in range(size)
    )
    for _, name in places:
        record, tokens, size = next(streams[name])
        yield Stored(record, name, mixture.sources[name].first, tokens, size)
    for stream in streams.values():
        next(stream, None)  # what is dropped behind the last good record is tallied, too


def tokenizer_folder(mixture: Mixture, path: Path) -> Path:
    """The folder of a mixture's tokenizer, which starts from that of its file `path` or is of a
    hub. Raises as `fetch`."""
    own = Path(mixture.tokenizer)
    folder = own if own.is_dir() else path.parent / own
    return folder if folder.is_dir() else fetch(mixture.tokenizer)


def _count(source: Source, tokenizer: Any) -> int:
    tally = Tally()
    for _ in usable(source, tokenizer, tally):
        pass
    return tally.records


def _measure(source: Source, record: Record, tokenizer: Any) -> Measured | Dropped:
    try:
        size = image_size(record.image)
        if record.edits:
            align(tokenizer, record.turns[-1].answer, record.edits, first=source.first)
    except AlignmentError as error:
        return Dropped(record.place, str(error), broken=False)
    except ValueError as error:
        return Dropped(record.place, str(error))
    answers = (tokenizer(turn.answer, add_special_tokens=False) for turn in record.turns)
    return record, sum(len(answer["input_ids"]) for answer in answers), size


def _check_share(source: Source, tally: Tally) -> None:
    total = tally.records + tally.dropped.total()
    if tally.broken > source.max_broken * total:
        reason, place = next(iter(tally.examples.items()))
        raise ValueError(
            f"{source.path}: {tally.broken} of {total} records are broken, {source.max_broken:.1%}"
            f" may be; the first, {place}: {reason}"
        )
