"""The cache of compiled models: whole or not there, made once, bounded, and clear about what it can't do."""

import contextlib
import errno
import gc
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from savor.accel.cache import Cache, CacheUnusable
from savor.accel.entry import MANIFEST, Damaged, Entry

KEY, OTHER = "a" * 64, "b" * 64
ROOM = 10**9
GRAPH = bytes(range(256)) * 40

Write = Callable[[Path], Mapping[str, Any]]


def writing(size: int = 0, **facts: Any) -> Write:
    """Writes two files, one of them in a folder."""

    def write(folder: Path) -> Mapping[str, Any]:
        (folder / "decoder").mkdir()
        (folder / "model.onnx").write_bytes(GRAPH)
        (folder / "decoder" / "model.onnx").write_bytes(bytes(size) or GRAPH)
        return facts

    return write


def never(_: Path) -> Mapping[str, Any]:
    raise AssertionError("there is nothing to be written")


def made(root: Path, key: str = KEY, size: int = 0, max_bytes: int = ROOM) -> Entry:
    """An entry that a cache made which is used no longer."""
    return Cache(root, max_bytes).make(key, writing(size))


def left(root: Path) -> list[str]:
    """What is in a cache's folder beside whole entries."""
    beside = (file for name in ("drafts", "locks") for file in (root / name).iterdir())
    return [file.name for file in beside]


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def test_what_was_made_is_found(tmp_path: Path) -> None:
    root = tmp_path / "not" / "there"
    entry = Cache(root, ROOM).make(KEY, writing(model="m", report={"largest": float("inf")}))
    found = Cache(root, ROOM).find(KEY)
    assert found == entry
    assert found.manifest["model"] == "m"
    assert found.manifest["report"] == {"largest": float("inf")}
    assert set(found.manifest["files"]) == {"model.onnx", "decoder/model.onnx"}
    assert (found.folder / "decoder" / "model.onnx").read_bytes() == GRAPH
    assert found.size_bytes == 2 * len(GRAPH) + (found.folder / MANIFEST).stat().st_size
    assert left(root) == []


def test_what_is_there_is_not_made_again(tmp_path: Path) -> None:
    entry = made(tmp_path)
    assert Cache(tmp_path, ROOM).make(KEY, never) == entry


def test_an_empty_cache_has_nothing(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "none", ROOM)
    assert cache.find(KEY) is None
    assert cache.entries() == []
    assert cache.remove(KEY) is False
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("error", [ValueError("no such opset"), KeyboardInterrupt()], ids=["an error", "an interrupt"])
def test_what_fails_leaves_nothing(tmp_path: Path, error: BaseException) -> None:
    def write(folder: Path) -> Mapping[str, Any]:
        (folder / "model.onnx").write_bytes(GRAPH)
        raise error

    cache = Cache(tmp_path, ROOM)
    with pytest.raises(type(error)) as raised:
        cache.make(KEY, write)
    assert raised.value is error
    assert cache.entries() == []
    assert left(tmp_path) == []


def test_facts_that_json_can_not_hold_leave_nothing(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        Cache(tmp_path, ROOM).make(KEY, writing(model=object()))
    assert Cache(tmp_path, ROOM).entries() == []
    assert left(tmp_path) == []


def _same_times(file: Path) -> None:
    """One bit changed, and the times set back, as a copying tool would."""
    before = file.stat()
    flip(file)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def _edited(file: Path) -> None:
    words = json.loads(file.read_text())
    file.write_text(json.dumps({**words, "report": {"passed": True}}))


DAMAGES = [
    pytest.param("decoder/model.onnx", flip, "is not what was written", id="a bit of a graph"),
    pytest.param("model.onnx", _same_times, "is not what was written", id="a bit, with the times set back"),
    pytest.param("model.onnx", lambda file: file.write_bytes(b""), "is not what was written", id="a graph cut"),
    pytest.param("model.onnx", Path.unlink, "can't be read", id="a graph missing"),
    pytest.param(MANIFEST, Path.unlink, "can't be read", id="no manifest"),
    pytest.param(MANIFEST, lambda file: file.write_text("{"), "can't be read", id="half a manifest"),
    pytest.param(MANIFEST, lambda file: file.write_text("[1]"), "can't be read", id="another kind of manifest"),
    pytest.param(
        MANIFEST,
        lambda file: file.write_text('{"seal": "", "format": 0, "files": {}}'),
        "is of format 0",
        id="a manifest of another version",
    ),
    pytest.param(MANIFEST, _edited, "is not what was written", id="a manifest edited"),
]


@pytest.mark.parametrize(("name", "damage", "said"), DAMAGES)
def test_a_damaged_entry_is_told_and_made_anew(
    tmp_path: Path, name: str, damage: Callable[[Path], Any], said: str
) -> None:
    entry = made(tmp_path)
    damage(entry.folder / name)
    with pytest.raises(Damaged, match=said) as raised:
        Cache(tmp_path, ROOM).find(KEY)
    assert str(entry.folder / name) in str(raised.value)
    with pytest.raises(Damaged, match=said):
        entry.check()
    assert [each.key for each in Cache(tmp_path, ROOM).entries()] == [KEY]
    again = Cache(tmp_path, ROOM).make(KEY, writing(model="anew"))
    assert again.manifest["model"] == "anew"
    again.check()
    assert left(tmp_path) == []


def test_removing(tmp_path: Path) -> None:
    cache = Cache(tmp_path, ROOM)
    entry, other = cache.make(KEY, writing()), cache.make(OTHER, writing())
    assert cache.remove(KEY) is True
    assert cache.remove(KEY) is False
    assert not entry.folder.exists()
    assert cache.entries() == [other]
    assert left(tmp_path) == []


SIZE = 100_000


def test_the_least_recently_used_goes(tmp_path: Path) -> None:
    for index, key in enumerate(("1" * 64, "2" * 64, "3" * 64)):
        os.utime(made(tmp_path, key, SIZE).folder / MANIFEST, (index, index))
    assert Cache(tmp_path, ROOM).find("1" * 64) is not None
    made(tmp_path, "4" * 64, SIZE, max_bytes=int(3.5 * SIZE))
    assert {entry.key[0] for entry in Cache(tmp_path, ROOM).entries()} == set("134")


def test_the_newest_stays_however_big(tmp_path: Path) -> None:
    made(tmp_path, KEY, SIZE)
    made(tmp_path, OTHER, SIZE, max_bytes=1)
    assert [entry.key for entry in Cache(tmp_path, ROOM).entries()] == [OTHER]


def test_what_is_used_stays(tmp_path: Path) -> None:
    user = Cache(tmp_path, ROOM)
    entry = user.make(KEY, writing(SIZE))
    made(tmp_path, OTHER, SIZE, max_bytes=1)
    assert entry.in_use
    assert user.find(KEY) == entry
    del user
    gc.collect()
    assert not entry.in_use
    made(tmp_path, "c" * 64, SIZE, max_bytes=1)
    assert [each.key[0] for each in Cache(tmp_path, ROOM).entries()] == ["c"]


PROGRAM = """
import sys, time
from pathlib import Path

from savor.accel.cache import Cache

root, key, step = Path(sys.argv[1]), sys.argv[2], sys.argv[3]


def write(folder):
    (folder / "model.onnx").write_bytes(b"graph")
    print("writing", flush=True)
    if step == "hang":
        time.sleep(60)
    sys.stdin.readline()
    return {"model": step}


cache = Cache(root, 10**9)
print("made", cache.make(key, write).manifest["model"], flush=True)
sys.stdin.readline()
"""


@contextlib.contextmanager
def process(root: Path, key: str, step: str) -> Iterator["subprocess.Popen[str]"]:
    """A process that makes an entry: it tells when it writes, and goes on for a line on its stdin."""
    command = [sys.executable, "-c", PROGRAM, str(root), key, step]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        try:
            yield running
        finally:
            running.kill()


def line(running: "subprocess.Popen[str]") -> str:
    assert running.stdout is not None
    return running.stdout.readline().strip()


def go_on(running: "subprocess.Popen[str]") -> None:
    assert running.stdin is not None
    running.stdin.write("\n")
    running.stdin.flush()


def test_of_two_processes_one_makes_it(tmp_path: Path) -> None:
    with process(tmp_path, KEY, "first") as first:
        assert line(first) == "writing"
        with process(tmp_path, KEY, "second") as second:
            go_on(first)
            assert line(first) == "made first"
            assert line(second) == "made first"
    assert left(tmp_path) == []


def test_who_waits_for_one_that_dies_makes_it(tmp_path: Path) -> None:
    with process(tmp_path, KEY, "hang") as first:
        assert line(first) == "writing"
        with process(tmp_path, KEY, "second") as second:
            first.kill()
            assert line(second) == "writing"
            go_on(second)
            assert line(second) == "made second"
    Entry(KEY, tmp_path / "entries" / KEY).check()
    assert left(tmp_path) == []


def test_a_draft_lives_as_long_as_its_process(tmp_path: Path) -> None:
    with process(tmp_path, KEY, "hang") as running:
        assert line(running) == "writing"
        made(tmp_path, OTHER)
        assert set(left(tmp_path)) == {KEY}
        assert [entry.key for entry in Cache(tmp_path, ROOM).entries()] == [OTHER]
        assert Cache(tmp_path, ROOM).find(KEY) is None
        running.kill()
        running.wait()
    made(tmp_path, "c" * 64)
    assert left(tmp_path) == []


def test_what_another_process_uses_stays_until_it_ends(tmp_path: Path) -> None:
    with process(tmp_path, KEY, "used") as running:
        line(running)
        go_on(running)
        assert line(running) == "made used"
        made(tmp_path, OTHER, SIZE, max_bytes=1)
        assert {entry.key for entry in Cache(tmp_path, ROOM).entries()} == {KEY, OTHER}
    made(tmp_path, "c" * 64, SIZE, max_bytes=1)
    assert [entry.key[0] for entry in Cache(tmp_path, ROOM).entries()] == ["c"]


def _full(_: Path) -> Mapping[str, Any]:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _full_within(folder: Path) -> Mapping[str, Any]:
    try:
        return _full(folder)
    except OSError as error:
        raise RuntimeError("[enforce fail at inline_container.cc:672]") from error


@pytest.mark.parametrize("write", [_full, _full_within], ids=["said by the system", "said by a library"])
def test_no_room(tmp_path: Path, write: Write) -> None:
    with pytest.raises(CacheUnusable) as raised:
        Cache(tmp_path, ROOM).make(KEY, write)
    assert raised.value.reason == "the cache of compiled models has no room left"
    assert f"{tmp_path}: " in str(raised.value)
    assert "make room there (savor cache rm), or choose another folder (cache.dir)" in str(raised.value)
    assert left(tmp_path) == []


def test_an_error_of_the_writer_is_not_the_cache_s(tmp_path: Path) -> None:
    def write(_: Path) -> Mapping[str, Any]:
        raise PermissionError(errno.EACCES, "weights")

    with pytest.raises(PermissionError):
        Cache(tmp_path, ROOM).make(KEY, write)


def test_a_folder_that_can_not_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    cache = Cache(tmp_path / "file" / "cache", ROOM)
    assert cache.find(KEY) is None
    assert cache.entries() == []
    with pytest.raises(CacheUnusable, match="make it writable, or choose another folder") as raised:
        cache.make(KEY, never)
    assert raised.value.reason == "the cache of compiled models can't be written"


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of two megabytes."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting a file system takes root")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def _boundless(folder: Path) -> Mapping[str, Any]:
    """Fills the disk, and then fails for a reason of its own, as libraries do."""
    with contextlib.suppress(OSError):
        (folder / "model.onnx").write_bytes(bytes(10_000_000))
    assert (folder / "model.onnx").stat().st_size < 10_000_000
    raise ValueError("the graph is not valid")


def test_a_full_disk(small: Path) -> None:
    made(small)
    with pytest.raises(CacheUnusable, match="no room left"):
        Cache(small, ROOM).make(OTHER, _boundless)
    assert [entry.key for entry in Cache(small, ROOM).entries()] == [KEY]
    assert left(small) == []
    made(small, OTHER).check()


def test_a_cache_that_can_only_be_read_serves_what_it_has(small: Path) -> None:
    entry = made(small)
    subprocess.run(["mount", "-o", "remount,ro", small], check=True)
    assert Cache(small, ROOM).find(KEY) == entry
    assert Cache(small, ROOM).make(KEY, never) == entry
    for change in (lambda cache: cache.make(OTHER, never), lambda cache: cache.remove(KEY)):
        with pytest.raises(CacheUnusable, match="Read-only file system"):
            change(Cache(small, ROOM))
