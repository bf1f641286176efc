"""The store under every fault that a disk or another process can bring."""

import errno
import json
import os
import shutil
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rediff.io import part_store as store_module
from rediff.io.files import replace
from rediff.io.line_index import Record
from rediff.io.part_store import BusyError, PartStore
from rediff.io.rank import Rank
from rediff_eval.captioning.caption_store import StoredCaption, open_store

ONE = Rank()


def key(name: str) -> StoredCaption:
    return StoredCaption("cell", name, "digest")


def fill(folder: Path, count: int) -> Path:
    with open_store(folder, ONE) as store:
        for i in range(count):
            store.append(key(str(i)), {"text": f"caption {i} ☃", "tokens": i})
    return folder / "parts" / "rank-0.jsonl"


def found(store: PartStore) -> dict[str, Record]:
    """What the store gives for every key of its parts, by sample id."""
    written = (line for part in store.folder.glob("rank-*.jsonl") for line in part.open("rb"))
    keys = dict.fromkeys(
        StoredCaption(*(json.loads(line)[n] for n in store.names)) for line in written
    )
    lines = {key.id: store.get(key) for key in keys}
    assert len(store.index.places) == len(keys)
    return {name: line for name, line in lines.items() if line is not None}


def texts(folder: Path) -> dict[str, str]:
    with open_store(folder, ONE) as store:
        return {name: line["text"] for name, line in found(store).items()}


def test_truncation_at_every_byte_of_the_last_line(tmp_path: Path) -> None:
    path = fill(tmp_path / "whole", 3)
    content = path.read_bytes()
    last = content.rstrip(b"\n").rfind(b"\n") + 1
    for cut in range(last, len(content) + 1):
        folder = tmp_path / f"cut{cut}"
        shutil.copytree(tmp_path / "whole", folder)
        part = folder / "parts" / "rank-0.jsonl"
        part.write_bytes(content[:cut])
        kept = {"0", "1", "2"} if cut == len(content) else {"0", "1"}
        with open_store(folder, ONE) as store:
            assert found(store).keys() == kept
            if "2" not in kept:
                store.append(key("2"), {"text": "caption 2 ☃", "tokens": 2})
        assert part.read_bytes() == content


def test_damage_in_the_middle_is_named(tmp_path: Path) -> None:
    path = fill(tmp_path, 3)
    lines = path.read_bytes().splitlines(keepends=True)
    for damaged in (b"\x00" * 20 + b"\n", b"[]\n", b'{"id": "1"}\n', lines[1][:30] + b"\n"):
        path.write_bytes(lines[0] + damaged + lines[2])
        with pytest.raises(ValueError, match=r"rank-0\.jsonl:2: damaged"):
            open_store(tmp_path, ONE)


@given(
    st.lists(st.tuples(st.text(max_size=8), st.text(max_size=40), st.integers(0, 2)), max_size=20)
)
@settings(max_examples=60, deadline=None)
def test_what_is_appended_is_found_by_any_rank(
    tmp_path_factory: pytest.TempPathFactory, entries: list[tuple[str, str, int]]
) -> None:
    folder = tmp_path_factory.mktemp("store")
    expected: dict[str, str] = {}
    for name, text, rank in entries:
        with open_store(folder, Rank(rank, 3)) as store:
            if store.get(key(name)) is None:
                store.append(key(name), {"text": text})
                expected[name] = text
    assert texts(folder) == expected


def test_an_error_gives_way_to_a_caption_whatever_the_order(tmp_path: Path) -> None:
    for first, second in (({"error": "x"}, {"text": "y"}), ({"text": "y"}, {"error": "x"})):
        folder = tmp_path / str(first)
        for rank, record in enumerate((first, second)):
            with open_store(folder, Rank(rank, 2)) as store:
                store.append(key("a"), record)
        with open_store(folder, ONE) as store:
            line = store.get(key("a"))
            assert line is not None
            assert line["text"] == "y"


def test_another_run_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    with open_store(tmp_path, ONE):
        with pytest.raises(BusyError, match="another run works in"):
            open_store(tmp_path, ONE)
        open_store(tmp_path, Rank(1, 2)).__exit__()
    open_store(tmp_path, ONE).__exit__()


def test_the_lock_of_a_dead_process_is_free(tmp_path: Path) -> None:
    code = textwrap.dedent(f"""
        import os, pathlib
        from rediff_eval.captioning.caption_store import open_store
        from rediff.io.rank import Rank
        open_store(pathlib.Path({str(tmp_path)!r}), Rank())
        os.kill(os.getpid(), 9)
    """)
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == -9
    open_store(tmp_path, ONE).__exit__()


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC])
@pytest.mark.parametrize("call", ["write", "fsync"])
def test_every_write_may_fail(
    code: int, call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The nth call fails, for every n, half of what was to be written being written."""
    real = getattr(os, call)
    for failing in range(4):
        folder = tmp_path / str(failing)
        calls = 0

        def fail(descriptor: int, *data: bytes) -> int:
            nonlocal calls
            calls += 1
            if calls == failing + 1:  # noqa: B023
                if data:
                    real(descriptor, data[0][: len(data[0]) // 2])
                raise OSError(code, os.strerror(code))
            return real(descriptor, *data)

        with open_store(folder, ONE) as store, monkeypatch.context() as patch:
            patch.setattr(store_module.os, call, fail)
            done = []
            for i in range(4):
                try:
                    store.append(key(str(i)), {"text": str(i)})
                except OSError as error:
                    assert error.errno == code  # noqa: PT017
                else:
                    done.append(str(i))
        assert done == [str(i) for i in range(4) if i != failing]
        assert list(texts(folder)) == done


def append_for_ever(store: PartStore) -> None:
    for i in range(10_000):
        store.append(key(str(i)), {"text": "x" * 100})


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC])
@pytest.mark.parametrize("failing", [0, 1], ids=["file", "folder"])
def test_a_replaced_file_is_the_old_or_the_new(
    code: int, failing: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The nth sync fails: of the new file, or of its folder once it is in place."""
    path = tmp_path / "results.json"
    replace(path, "old")
    calls, real = 0, os.fsync

    def fail(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        if calls == failing + 1:
            raise OSError(code, os.strerror(code))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match=os.strerror(code)):
        replace(path, "new")
    assert path.read_text() == ("old", "new")[failing]
    assert list(tmp_path.iterdir()) == [path]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 kB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)]
    done = subprocess.run(mount, capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"cannot mount a small disk: {done.stderr.decode().strip()}")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_disk_that_is_really_full(small_disk: Path) -> None:
    with open_store(small_disk, ONE) as store:
        with pytest.raises(OSError, match="No space left"):
            append_for_ever(store)
        written = len(store.index.places)
    assert written > 100
    with open_store(small_disk, ONE) as store:
        assert len(store.index.places) == written
    old = small_disk / "results.json"
    (small_disk / "parts" / "rank-0.jsonl").unlink()
    replace(old, "old")
    with pytest.raises(OSError, match="No space left"):
        replace(old, "x" * 100_000)
    assert old.read_text() == "old"
    assert [p.name for p in small_disk.iterdir() if "partial" in p.name] == []


def test_waiting_does_not_depend_on_the_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hours = iter(range(0, 10**6, 3600))
    monkeypatch.setattr(time, "time", lambda: next(hours) * (-1.0))
    with open_store(tmp_path, ONE) as store:
        started = time.monotonic()
        with pytest.raises(RuntimeError, match="1 samples are not done and no other process"):
            store.wait_for([key("a")], timeout=0.3, pause=0.05)
        assert 0.2 < time.monotonic() - started < 10
        store.append(key("a"), {"text": "b"})
        store.wait_for([key("a")], timeout=0.0)


def test_the_leader_waits_for_those_at_work(tmp_path: Path) -> None:
    code = textwrap.dedent(f"""
        import pathlib, time
        from rediff_eval.captioning.caption_store import StoredCaption, open_store
        from rediff.io.rank import Rank
        with open_store(pathlib.Path({str(tmp_path)!r}), Rank(1, 2)) as store:
            print("locked", flush=True)
            time.sleep(1.0)
            store.append(StoredCaption("cell", "a", "digest"), {{"text": "late"}})
    """)
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"locked\n"
        with open_store(tmp_path, Rank(0, 2)) as store:
            store.wait_for([key("a")], timeout=0.2, pause=0.05)
            line = store.get(key("a"))
    assert line is not None
    assert line["text"] == "late"


def test_lines_are_plain_json(tmp_path: Path) -> None:
    path = fill(tmp_path, 2)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["id"] for line in lines] == ["0", "1"]
