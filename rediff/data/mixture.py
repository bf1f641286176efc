"""Sources mixed by stated counts, streamed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from rediff.data.alignment import AlignmentError, align
from rediff.data.formats import MARK, Format, read_records
from rediff.data.images import checked_size
from rediff.data.records import Dropped, Record
from rediff.data.store import Stored
from rediff.io.hub import fetch
from rediff.io.strict_yaml import load_yaml

PATIENCE = 100
"""Records that are read before the share of broken ones is judged."""


class Source(BaseModel):
    """A file of one format with its pictures. `count`: records to take, None for all.

    `max_broken`: share of malformed records that may be skipped. `max_unknown`: share of the
    answers' tokens that the tokenizer may not know. `first`: see `align`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Format
    path: Path
    images: Path
    count: int | None = Field(default=None, gt=0)
    max_broken: float = Field(default=0.01, ge=0, le=1)
    max_unknown: float = Field(default=0.05, ge=0, le=1)
    first: bool = False


class Mixture(BaseModel):
    """Named sources, and the tokenizer (a folder or hub id) that edits are aligned by."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tokenizer: str
    sources: dict[str, Source] = Field(min_length=1)

    @classmethod
    def load(cls, path: Path, tokenizer: str = "") -> Mixture:
        """From a YAML file; paths start from its folder. Raises ValueError naming the file.

        Args:
            path: the file; one of another kind is itself the only source, pictures with captions,
                which are as many as they are.
            tokenizer: of such a source.
        """
        if is_listing(path):
            listing = Source(format="captions", path=path, images=path.parent)
            return cls(tokenizer=tokenizer, sources={path.stem: listing})
        mixture = load_yaml(path, cls)
        sources = {
            name: source.model_copy(
                update={"path": path.parent / source.path, "images": path.parent / source.images}
            )
            for name, source in mixture.sources.items()
        }
        return mixture.model_copy(update={"sources": sources})


def is_listing(path: Path) -> bool:
    """Whether a file of data lists pictures itself; the specification of a mixture is YAML."""
    return path.suffix.lower() not in (".yaml", ".yml")


@dataclass(slots=True)
class Tally:
    """Counts of a source's records: records used, their answers' tokens, those of them unknown to
    the tokenizer, the tokens of the longest answer, and the rest by reason."""

    records: int = 0
    tokens: int = 0
    unknown: int = 0
    longest: int = 0
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


def usable(
    source: Source, tokenizer: Any, tally: Tally, *, longest: int | None = None
) -> Iterator[Measured]:
    """The records of a source that can be trained on, up to its count; the rest is tallied.

    Args:
        source: the file, its format and its limits.
        tokenizer: that edits are aligned by.
        tally: is filled.
        longest: canvas in tokens that each answer and its eos must fit in; None for any.

    Raises:
        ValueError: naming the first broken record, if more than the stated share is broken (early
            where that is beyond doubt); if the tokenizer does not know more of the answers than the
            stated share; if there are fewer usable records than the count.
    """
    special = special_texts(tokenizer)
    for record in read_records(source.format, source.path, source.images):
        found = _measure(source, record, tokenizer, special, longest, tally)
        if isinstance(found, Dropped):
            tally.drop(found)
        else:
            tally.records += 1
            tally.tokens += found[1]
            yield found
        if tally.records + tally.dropped.total() >= PATIENCE:
            _check_share(source, tally, doubt=3 * math.sqrt(tally.broken))
        if tally.records == source.count:
            break
    _check_share(source, tally)
    _check_known(source, tokenizer, tally)
    if source.count is not None and tally.records < source.count:
        raise ValueError(
            f"{source.path} has {tally.records} usable records, but `count` asks for {source.count}"
        )


def mix(
    mixture: Mixture, tokenizer: Any, tallies: Mapping[str, Tally] | None = None
) -> Iterator[Stored]:
    """All sources in one stream, each spread evenly over it, in an order that is always the same.

    Args:
        mixture: the sources and how much of each.
        tokenizer: counts the tokens of an answer.
        tallies: by source; filled while the stream is read.

    Returns:
        The records that can be used, one after another.

    Raises:
        ValueError: naming file and line, as `usable` does.
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
        next(stream, None)  # what is dropped after the last good record is tallied, too


def tokenizer_folder(mixture: Mixture, path: Path) -> Path:
    """The folder of a mixture's tokenizer.

    Args:
        mixture: names the tokenizer, a folder or a hub model.
        path: the mixture's own file, from whose folder a relative name starts.

    Returns:
        An existing folder, downloaded where need be.

    Raises:
        FileNotFoundError: as `fetch` does.
    """
    own = Path(mixture.tokenizer)
    folder = own if own.is_dir() else path.parent / own
    return folder if folder.is_dir() else fetch(mixture.tokenizer)


def _count(source: Source, tokenizer: Any) -> int:
    tally = Tally()
    for _ in usable(source, tokenizer, tally):
        pass
    return tally.records


def special_texts(tokenizer: Any) -> tuple[str, ...]:
    """Strings that no text may hold, since the tokenizer takes them for marks of the prompt."""
    added = (token.content for token in tokenizer.added_tokens_decoder.values() if token.special)
    return tuple(sorted({*added, *tokenizer.all_special_tokens, MARK} - {tokenizer.unk_token}))


def _measure(
    source: Source,
    record: Record | Dropped,
    tokenizer: Any,
    special: Sequence[str],
    longest: int | None,
    tally: Tally,
) -> Measured | Dropped:
    if isinstance(record, Dropped):
        return record
    texts = [text for turn in record.turns for text in (turn.question, turn.answer)]
    texts += [edit.right for edit in record.edits]
    if held := next((mark for mark in special for text in texts if mark in text), None):
        return Dropped(record.place, f"a text holds the special token {held}")
    try:
        size = checked_size(record.image)
        if record.edits:
            align(tokenizer, record.turns[-1].answer, record.edits, first=source.first)
    except AlignmentError as error:
        return Dropped(record.place, str(error), broken=False)
    except ValueError as error:
        return Dropped(record.place, str(error).removeprefix(f"{record.image}: "))
    answers = [
        tokenizer(turn.answer, add_special_tokens=False)["input_ids"] for turn in record.turns
    ]
    most = max(map(len, answers))
    if longest is not None and most >= longest:
        return Dropped(record.place, f"an answer leaves no room to stop within {longest} tokens")
    tally.longest = max(tally.longest, most)
    tally.unknown += sum(answer.count(tokenizer.unk_token_id) for answer in answers)
    return record, sum(map(len, answers)), size


def _check_known(source: Source, tokenizer: Any, tally: Tally) -> None:
    if tally.unknown > source.max_unknown * tally.tokens:
        raise ValueError(
            f"{source.path}: {tally.unknown} of {tally.tokens} tokens of the answers"
            f" ({tally.unknown / tally.tokens:.0%}) are {tokenizer.unk_token}, unknown to the"
            f" tokenizer; max_unknown allows {source.max_unknown:.0%}"
        )


def _check_share(source: Source, tally: Tally, *, doubt: float = 0.0) -> None:
    total = tally.records + tally.dropped.total()
    if tally.broken - doubt > source.max_broken * total:
        reason, place = next(iter(tally.examples.items()))
        raise ValueError(
            f"{source.path}: {tally.broken} of {total} records are broken, {source.max_broken:.1%}"
            f" may be; the first, {place}: {reason}"
        )
