"""Where lines are: parts that grow, unfinished and damaged lines, files written part by part."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rediff.io.files import BLOCK, repair, replace
from rediff.io.line_index import LineIndex, Record

lines = st.lists(
    st.tuples(st.integers(0, 3), st.booleans(), st.booleans(), st.integers(0, 9000)), max_size=20
)


@given(lines, lines, st.integers(0, 20))
@settings(max_examples=60, deadline=None)
def test_the_index_finds_what_reading_all_finds(
    one: list[tuple[int, bool, bool, int]], two: list[tuple[int, bool, bool, int]], cut: int
) -> None:
    """Two parts, the first of which grows: the first line without an error counts, or the last with
    a trace. Long lines take more than one read."""
    parts = []
    for number, part in enumerate((one, two)):
        written = []
        for place, (name, failed, traced, length) in enumerate(part):
            line = {"key": name, "text": f"{number}/{place}/" + "☃" * length}
            written.append(
                {**line, **({"error": "no"} if failed else {}), **({"trace": []} if traced else {})}
            )
        parts.append(written)
    with tempfile.TemporaryDirectory() as folder:
        index = LineIndex(Path(folder), ["key"])
        expected: dict[int, Record] = {}

        def write(number: int, some: list[Record]) -> None:
            with (Path(folder) / f"rank-{number}.jsonl").open("a", encoding="utf-8") as file:
                file.writelines(json.dumps(line) + "\n" for line in some)
            for line in some:
                old = expected.get(line["key"])
                if old is None or "error" in old or "trace" in line:
                    expected[line["key"]] = line

        write(0, parts[0][:cut])
        index.update()
        write(0, parts[0][cut:])
        write(1, parts[1])
        index.update()
        for name in range(4):
            assert index.read((name,)) == expected.get(name)
            mark = index.mark((name,))
            assert (mark is None) == (name not in expected)
            if mark is not None:
                assert mark.failed == ("error" in expected[name])
                assert mark.traced == ("trace" in expected[name])
        index.close()


def test_a_line_that_is_being_written_is_read_once_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "rank-0.jsonl"
    path.write_text('{"key": 1}\n{"key": 2, "te')
    index = LineIndex(tmp_path, ["key"])
    index.update()
    assert (index.read((1,)), index.read((2,))) == ({"key": 1}, None)
    with path.open("a") as file:
        file.write('xt": "a"}\n')
    index.update()
    assert index.read((2,)) == {"key": 2, "text": "a"}
    with path.open("a") as file:
        file.write("broken\n")
    with pytest.raises(ValueError, match=r"rank-0\.jsonl:3: damaged"):
        index.update()
    index.close()


@pytest.mark.parametrize("length", [1, BLOCK - 1, BLOCK, 3 * BLOCK + 5])
def test_a_long_unfinished_line_is_cut_off(tmp_path: Path, length: int) -> None:
    path = tmp_path / "part"
    for whole in (b"", b"whole\n" * 3):
        path.write_bytes(whole + b"x" * length)
        repair(path)
        assert path.read_bytes() == whole


def test_a_file_is_written_part_by_part_or_stays(tmp_path: Path) -> None:
    path = tmp_path / "file"
    replace(path, (f"{i} ☃\n" for i in range(3)))
    assert path.read_text(encoding="utf-8") == "0 ☃\n1 ☃\n2 ☃\n"

    def broken() -> Iterator[str]:
        yield "new"
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        replace(path, broken())
    assert path.read_text(encoding="utf-8").startswith("0 ☃")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_lines_of_its_own_are_not_read_again(tmp_path: Path) -> None:
    """What a process has put is known: the next look begins after it, and counts it."""
    path = tmp_path / "rank-0.jsonl"
    path.write_text('{"key": 1}\n')
    index = LineIndex(tmp_path, ["key"])
    index.update()
    with path.open("a") as file:
        file.write('{"key": 2}\n')
    index.put(path, 11, 22, {"key": 2})
    assert (index.ends, index.read((2,))) == ([22], {"key": 2})
    with path.open("a") as file:
        file.write("broken\n")
    with pytest.raises(ValueError, match=r"rank-0\.jsonl:3: damaged"):
        index.update()
    index.close()
