"""``convcorr datasets``: what data sets there are, preparing, checking and showing them."""

import functools
import hashlib
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg

from convcorr_jax.errors import InputError

if TYPE_CHECKING:
    from convcorr_jax.datasets.catalogue import DataSet

VERSION = "1.0.0"
_MOST_LISTED = 10


@dataclass(frozen=True)
class List:
    """Say of every data set what it is, where it is obtained, its terms, and what is prepared."""

    data_root: Path | None = None
    """Folder of data sets; by default $CONVCORR_DATA, or else the user's data folder."""

    def run(self) -> None:
        """Print one paragraph a data set."""
        from convcorr_jax.datasets import roots
        from convcorr_jax.datasets.catalogue import DATASETS

        root = roots.root_folder(data_root=self.data_root)
        for one in DATASETS.values():
            counts = ", ".join(f"{count} {split}" for split, count in one.counts.items())
            size = f"; about {one.megabytes} MB to download" if one.megabytes else ""
            folder = root / one.name
            sys.stdout.write(
                f"{one.name}: {one.title}\n"
                f"  from {one.homepage}{size}\n"
                f"  licence: {one.licence}\n"
                f"  expected: {one.layout}\n"
                + (f"  records: {counts}\n" if counts else "")
                + f"  here: {folder if folder.is_dir() else 'no'}\n"
            )
        sys.stdout.write(f"Data sets are looked for in {root} (CONVCORR_DATA names another).\n")


@dataclass(frozen=True)
class Prepare:
    """Write a data set's records as TFDS keeps them, from its official release or a compact copy."""

    name: Annotated[Positional[str], arg(metavar="NAME")]
    """One of `convcorr datasets list`."""
    source: Path
    """Folder of the release, or one of its archives (.zip, .tar, .tar.gz)."""
    out: Path
    """Folder under which <name>/<version> is written."""
    processes: int | None = None
    """How many write at once; by default one a core."""

    def run(self) -> None:
        """Write, show progress, print the counts beside the official ones."""
        from convcorr_jax.datasets.opening import read_folder
        from convcorr_jax.datasets.prepared import prepare

        dataset = _known(self.name)
        with (
            _unpacked(self.source, self.out, dataset) as source,
            _bar(f"preparing {self.name}") as progress,
        ):
            made = prepare(
                functools.partial(read_folder, source, dataset=dataset),
                self.out / self.name / VERSION,
                name=self.name,
                version=VERSION,
                description=dataset.title,
                homepage=dataset.homepage,
                processes=self.processes,
                progress=progress,
            )
        for split in {**dataset.counts, **made.counts}:
            official = dataset.counts.get(split)
            beside = "" if official is None else f" (officially {official})"
            sys.stdout.write(f"{split}: {made.counts.get(split, 0)} records{beside}\n")
        if made.absent:
            sys.stdout.write(f"{len(made.absent)} annotations make no record:\n")
            for absent in made.absent[:_MOST_LISTED]:
                sys.stdout.write(f"  {absent.source_id}: {absent.reason}\n")
            if len(made.absent) > _MOST_LISTED:
                sys.stdout.write(f"  and {len(made.absent) - _MOST_LISTED} more\n")
        sys.stdout.write(f"{made.folder}\n")


@dataclass(frozen=True)
class Check:
    """Look for what would change a score: duplicates, swapped sides, points outside, wrong counts."""

    name: Annotated[Positional[str], arg(metavar="NAME|PATH")]
    """A data set under the data root, or a folder."""
    html: Path | None = None
    """Also write the findings as a page with pictures."""
    data_root: Path | None = None
    """Folder of data sets; by default $CONVCORR_DATA, or else the user's data folder."""

    def run(self) -> int:
        """Print the findings; the exit status is 1 when one of them would change a score."""
        from convcorr_jax import doctor
        from convcorr_jax.datasets import roots
        from convcorr_jax.datasets.catalogue import DATASETS
        from convcorr_jax.datasets.opening import read_folder
        from convcorr_jax.datasets.records import Absent, Record
        from convcorr_jax.io import check_writable, written_whole
        from convcorr_jax.report.findings_page import finding_lines, findings_page

        if self.html is not None:
            check_writable(self.html)
        folder = roots.find_folder(self.name, data_root=self.data_root)
        dataset = DATASETS.get(folder.name)
        found = tuple(read_folder(folder, dataset=dataset))
        records = [one for one in found if isinstance(one, Record)]
        absent = [one for one in found if isinstance(one, Absent)]
        with _bar(f"examining {self.name}") as progress:
            findings = doctor.examine(
                records,
                official_counts=dataset.counts if dataset else None,
                absent=absent,
                progress=progress,
            )
        for line in finding_lines(findings):
            sys.stdout.write(f"{line}\n")
        if self.html is not None:
            page = findings_page(findings, records, title=f"Data set {self.name}", facts={})
            with written_whole(self.html) as temporary:
                temporary.write_text(page, encoding="utf-8")
        return 1 if doctor.changes_scores(findings) else 0


@dataclass(frozen=True)
class Show:
    """Draw a data set's first records, evenly drawn, with boxes, points, names and masks."""

    name: Annotated[Positional[str], arg(metavar="NAME|PATH")]
    """A data set under the data root, or a folder."""
    out: Path
    """Where the sheet goes; the ending says the format, such as .png."""
    n: int = 12
    """How many records."""
    data_root: Path | None = None
    """Folder of data sets; by default $CONVCORR_DATA, or else the user's data folder."""

    def run(self) -> None:
        """Write the sheet."""
        from convcorr_jax.datasets.opening import read_records
        from convcorr_jax.io import check_writable, write_image
        from convcorr_jax.report.contact_sheet import contact_sheet

        if self.n < 1:
            raise InputError(f"--n is {self.n}; at least 1 is expected")
        check_writable(self.out)
        records = read_records(self.name, data_root=self.data_root)
        if not records:
            raise InputError(f"data set {self.name!r} has no records")
        count = min(self.n, len(records))
        chosen = [records[k * len(records) // count] for k in range(count)]
        write_image(self.out, contact_sheet(chosen))
        sys.stdout.write(f"{self.out}\n")


def _known(name: str) -> "DataSet":
    from convcorr_jax.datasets.catalogue import DATASETS

    if name not in DATASETS:
        raise InputError(f"there is no data set {name!r}; there are {', '.join(DATASETS)}")
    return DATASETS[name]


@contextmanager
def _unpacked(source: Path, out: Path, dataset: "DataSet") -> Iterator[Path]:
    """The source if it is a folder; else what the archive holds, for as long as it is needed.

    Raises:
        InputError: it is not there, is no archive, or its checksum is not the official one.
    """
    from convcorr_jax.datasets.formats.archives import unpack

    if not source.is_file():
        yield source
        return
    for archive in dataset.archives:
        if archive.name == source.name:
            with source.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
            if digest != archive.sha256:
                raise InputError(
                    f"{source} has the SHA-256 {digest}, and officially {archive.sha256}"
                )
    folder = out / f".{dataset.name}.unpacked"
    # What a run that was killed has left.
    shutil.rmtree(folder, ignore_errors=True)
    unpack(source, folder)
    try:
        yield _innermost(folder, dataset)
    finally:
        shutil.rmtree(folder)


def _innermost(folder: Path, dataset: "DataSet") -> Path:
    """The folder itself, or the only folder in it where the release lies in that."""
    try:
        next(iter(dataset.read(folder)), None)
    except InputError:
        inside = list(folder.iterdir())
        if len(inside) == 1 and inside[0].is_dir():
            return inside[0]
    return folder


@contextmanager
def _bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on the error stream, told how many are done of how many."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    console = Console(stderr=True)
    columns = "{task.description}", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    # Into a file it would write an empty line.
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
