"""Writing of prepared folders: completely or not at all, and the same bytes after interruptions."""

import os
import shutil
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convcorr_jax.datasets import Absent, Record
from convcorr_jax.datasets.prepared import Prepared, is_prepared, planning, prepare, read_prepared
from convcorr_jax.errors import InputError, WriteError
from tests.builders import image_set
from tests.builders.processes import end, full_disk, is_alive, start


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "RECORDS_PER_SHARD", 4)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return image_set.write_images(tmp_path / "source")


def prepare_images(source: Path | Callable, folder: Path, **options: Any) -> Prepared:
    """Prepare the images of a folder, or what a function lists."""
    records = source if callable(source) else partial(image_set.read_entries, source)
    return prepare(records, folder, **{"name": "images", "description": "Noise.", "processes": 1} | options)


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def assert_undisturbed(source: Path, folder: Path) -> None:
    """Check that ``out`` has the bytes of a run from beginning to end."""
    prepare_images(source, folder / "undisturbed")
    assert content(folder / "out") == content(folder / "undisturbed")


def test_written_records_are_counted_and_read_back_and_not_written_again(source: Path, tmp_path: Path):
    steps = []
    folder = tmp_path / "out" / "1.0.0"
    done = prepare_images(source, folder, progress=lambda *step: steps.append(step))
    assert done == Prepared(folder, {"train": 12, "test": 2}, (Absent("lost", "its image does not exist"),), 0)
    assert steps == [(0, 14), (4, 14), (8, 14), (12, 14), (14, 14)]
    assert is_prepared(folder)
    assert os.listdir(folder.parent) == ["1.0.0"]
    expected = {record.source_id: record.image for record in image_set.read_records(source)}
    images = {record.source_id: record.image for record in read_prepared(folder)}
    assert images == {name: path.read_bytes() for name, path in expected.items()}
    assert [r.source_id for r in read_prepared(folder, split="test")] == ["image 4", "image 9"]
    times = [path.stat().st_mtime_ns for path in folder.iterdir()]
    assert prepare_images(source, folder) == done._replace(resumed=14)
    assert [path.stat().st_mtime_ns for path in folder.iterdir()] == times


KILLED = """
import multiprocessing, os, signal, sys
from functools import partial
from pathlib import Path
from convcorr_jax.datasets.prepared import planning, prepare
from tests.builders import image_set

if __name__ == "__main__":
    planning.RECORDS_PER_SHARD = 4

    def die(done, total):
        if done:
            print(*[child.pid for child in multiprocessing.active_children()], flush=True)
            os.kill(os.getpid(), signal.SIGKILL)

    source, folder = map(Path, sys.argv[1:])
    prepare(partial(image_set.read_entries, source), folder, name="images", description="Noise.",
            processes=2, progress=die)
"""


def test_a_killed_run_is_resumed_with_the_same_bytes(source: Path, tmp_path: Path):
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    ended = end(start(script, source, tmp_path / "out"))
    assert ended.status == -signal.SIGKILL, ended.err
    workers = ended.out.split()
    assert len(workers) == 2
    assert not (tmp_path / "out").exists()
    deadline = time.monotonic() + 10
    while any(map(is_alive, workers)):
        assert time.monotonic() < deadline, "a writing process outlived the run that started it"
        time.sleep(0.05)
    assert prepare_images(source, tmp_path / "out").resumed >= 4
    assert_undisturbed(source, tmp_path)


def interrupt(source: Path, folder: Path, *, after: int = 1) -> Path:
    """Run until ``after`` records are written; return the folder with their shards."""

    def stop(done: int, total: int) -> None:
        if done >= after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare_images(source, folder, progress=stop)
    assert not folder.exists()
    return folder.parent / f".{folder.name}.partial"


def test_incomplete_and_outdated_files_of_a_killed_run_are_removed(source: Path, tmp_path: Path):
    partial_folder = interrupt(source, tmp_path / "out")
    (partial_folder / "features.json").write_text("{")
    (partial_folder / ".images-train.x1y2.array_record-00001-of-00003").write_bytes(b"half")
    whole = next(partial_folder.glob("images-train.*"))
    # A crash of the machine may lose the end of a file that was already renamed.
    whole.write_bytes(whole.read_bytes()[:-100])
    assert prepare_images(source, tmp_path / "out").resumed == 0
    assert_undisturbed(source, tmp_path)
    # Shards of a source that has changed are written anew.
    shutil.rmtree(tmp_path / "out")
    shutil.rmtree(tmp_path / "undisturbed")
    interrupt(source, tmp_path / "out")
    (source / "00.png").write_bytes((source / "01.png").read_bytes())
    assert prepare_images(source, tmp_path / "out").resumed == 0
    assert_undisturbed(source, tmp_path)


@pytest.mark.parametrize("processes", [None, 1])
def test_a_run_that_only_lacks_its_metadata_is_finished(source: Path, tmp_path: Path, processes: int | None):
    interrupt(source, tmp_path / "out", after=14)
    assert prepare_images(source, tmp_path / "out", processes=processes).resumed == 14
    assert len(read_prepared(tmp_path / "out")) == 14
    with pytest.raises(InputError, match="0 processes write nothing"):
        prepare_images(source, tmp_path / "new", processes=0)


def test_a_finished_folder_of_a_source_that_has_changed_is_refused(source: Path, tmp_path: Path):
    prepare_images(source, tmp_path / "out")
    before = content(tmp_path / "out")
    # The size is the same; the time of change differs.
    image = source / "03.png"
    stat = image.stat()
    os.utime(image, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    with pytest.raises(InputError, match="another state of the source"):
        prepare_images(source, tmp_path / "out")
    os.utime(image, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert prepare_images(source, tmp_path / "out").resumed == 14
    with pytest.raises(InputError, match="under another name"):
        prepare_images(source, tmp_path / "out", name="x")
    assert content(tmp_path / "out") == before


@pytest.mark.parametrize(
    "change",
    [
        lambda record: np.copyto(record.points, 5.0),
        lambda record: object.__setattr__(record, "category", "dog"),
        lambda record: object.__setattr__(record, "attributes", {"tame": 1.0}),
        lambda record: object.__setattr__(record, "split", "train"),
    ],
    ids=["points", "category", "attributes", "split"],
)
def test_a_source_that_changes_while_it_is_read_is_noticed(
    source: Path, tmp_path: Path, change: Callable[[Record], None]
):
    calls = []

    def listing() -> list[Record | Absent]:
        calls.append(1)
        listed = list(image_set.read_entries(source))
        if len(calls) == 2:
            change(next(r for r in listed if isinstance(r, Record) and r.split == "test"))
        return listed

    with pytest.raises(InputError, match="changed while it was read"):
        prepare_images(listing, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_full_disk_is_reported_and_leaves_no_final_folder(source: Path, tmp_path: Path):
    # A shard's first kilobyte is written.
    with full_disk(1024), pytest.raises(WriteError, match=r"00000-of-00003 cannot be written: .*too large"):
        prepare_images(source, tmp_path / "out")
    assert sorted(os.listdir(tmp_path)) == [".out.partial", "source"]
    assert os.listdir(tmp_path / ".out.partial") == ["prepared.json"]
    assert prepare_images(source, tmp_path / "out").resumed == 0


def test_a_folder_that_cannot_be_written_or_holds_something_else_is_refused(source: Path, tmp_path: Path):
    if os.path.isdir("/proc/self"):
        with pytest.raises(InputError, match=r"/proc cannot be (created|written)"):
            prepare_images(source, Path("/proc/out"))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").touch()
    with pytest.raises(InputError, match="holds something else"):
        prepare_images(source, tmp_path / "out")
    (tmp_path / "out" / "mine.txt").unlink()
    assert prepare_images(source, tmp_path / "out").resumed == 0


@pytest.mark.parametrize(
    ("listed", "options", "sentence"),
    [
        ([("a", "train"), ("a", "test")], {}, "two annotations have the same id 'a'"),
        ([("a", "train"), ("a", None)], {}, "same id 'a'"),
        ([("a", "../x")], {}, "the split '../x' cannot be written"),
        ([("a", "all"), ("b", "train")], {}, 'beside a split "all"'),
        ([], {}, "no record to write"),
        # Names that TFDS would not read back.
        ([("a", "train")], {"name": "a-b"}, "name 'a-b'"),
        ([("a", "train")], {"name": "a/../b"}, "name"),
        ([("a", "train")], {"version": "1.0"}, "version '1.0'"),
    ],
)
def test_ambiguous_ids_splits_and_names_are_refused(listed: list, options: dict, sentence: str, tmp_path: Path):
    pixels = np.zeros((*image_set.SIZE, 3), np.uint8)

    def entries() -> list[Record | Absent]:
        return [
            image_set.plain_record(pixels, name, split=split) if split else Absent(name, "it is blurred")
            for name, split in listed
        ]

    with pytest.raises(InputError, match=sentence):
        prepare_images(entries, tmp_path / "out", **options)
    assert os.listdir(tmp_path) == []
