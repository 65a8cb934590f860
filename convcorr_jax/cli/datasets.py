"""``convcorr datasets``: list, prepare, check and show data sets."""

import functools
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg

from convcorr_jax.cli.arguments import OutputOptions, Result
from convcorr_jax.errors import InputError
from convcorr_jax.runtime import bar

if TYPE_CHECKING:
    from convcorr_jax.datasets import DataSet
    from convcorr_jax.datasets.prepared import Prepared

VERSION = "1.0.0"
"""The version of prepared data sets, the name of their folder."""

# Annotations without a record that the summary lists.
_MOST_LISTED = 10


_DataRoot = Annotated[
    Path | None, arg(help="Folder of data sets; by default $CONVCORR_DATA, or else the user's data folder.")
]


@dataclass(frozen=True)
class List:
    """List every data set: what it is, where it is published, its licence, and whether it is present."""

    data_root: _DataRoot = None
    output: OutputOptions = OutputOptions()

    def run(self) -> Result:
        """Return a paragraph for each data set."""
        from convcorr_jax.datasets import DATASETS, loading

        root = loading.root_folder(data_root=self.data_root)
        here = {name: root / name if (root / name).is_dir() else None for name in DATASETS}
        fields = ("name", "title", "homepage", "licence", "layout", "megabytes", "counts")
        datasets = [
            {**{field: getattr(dataset, field) for field in fields}, "path": here[name]}
            for name, dataset in DATASETS.items()
        ]
        lines = [_paragraph(dataset, here[name]) for name, dataset in DATASETS.items()]
        lines.append(f"Data sets are looked for in {root} (CONVCORR_DATA names another).")
        return Result(lines, {"data_root": root, "datasets": datasets})


@dataclass(frozen=True)
class Prepare:
    """Write a data set's records in the format of TFDS, from its official release or a compact copy."""

    name: Annotated[Positional[str], arg(metavar="NAME")]
    """A name that `convcorr datasets list` prints."""
    source: Path
    """Folder of the release, or one of its archives (.zip, .tar, .tar.gz)."""
    out: Path
    """Folder under which <name>/<version> is written."""
    processes: int | None = None
    """Number of processes that write; by default one for each core."""
    output: OutputOptions = OutputOptions()

    def run(self) -> Result:
        """Write the records with a progress bar, and return their counts beside the official ones."""
        from convcorr_jax.datasets import DATASETS
        from convcorr_jax.datasets.opening import read_folder
        from convcorr_jax.datasets.prepared import prepare
        from convcorr_jax.io import check_parent

        check_parent(self.out)
        if self.name not in DATASETS:
            raise InputError(f"there is no data set {self.name!r}; there are {', '.join(DATASETS)}")
        dataset = DATASETS[self.name]
        with (
            _unpacked(self.source, self.out, dataset) as source,
            bar(f"preparing {self.name}", transient=True) as update,
        ):
            prepared = prepare(
                functools.partial(read_folder, source, dataset=dataset),
                self.out / self.name / VERSION,
                name=self.name,
                version=VERSION,
                description=dataset.title,
                homepage=dataset.homepage,
                processes=self.processes,
                progress=update,
            )
        return _preparation(prepared, dataset)


@dataclass(frozen=True)
class Check:
    """Find what would change a score: duplicates, swapped sides, points outside the image, wrong counts."""

    name: Annotated[Positional[str], arg(metavar="NAME|PATH")]
    """A data set under the data root, or a folder."""
    html: Path | None = None
    """Also write the findings as a page with images."""
    data_root: _DataRoot = None
    output: OutputOptions = OutputOptions()

    def run(self) -> Result:
        """Return the findings; the exit status is 1 when one of them would change a score."""
        from convcorr_jax import doctor
        from convcorr_jax.datasets import DATASETS, Absent, Record, loading
        from convcorr_jax.datasets.opening import read_folder
        from convcorr_jax.io import check_outputs, written_whole
        from convcorr_jax.report import finding_lines, findings_page

        folder = loading.find_folder(self.name, data_root=self.data_root)
        check_outputs((self.html,), read=(folder,))
        dataset = DATASETS.get(folder.name)
        annotated = tuple(read_folder(folder, dataset=dataset))
        records = [entry for entry in annotated if isinstance(entry, Record)]
        absent = [entry for entry in annotated if isinstance(entry, Absent)]
        with bar(f"examining {self.name}", transient=True) as update:
            findings = doctor.examine(
                records, official_counts=dataset.counts if dataset else None, absent=absent, progress=update
            )
        if self.html is not None:
            page = findings_page(findings, records, title=f"Data set {self.name}", facts={})
            with written_whole(self.html) as temporary:
                temporary.write_text(page, encoding="utf-8")
        changes_scores = doctor.changes_scores(findings)
        values = {
            "folder": folder,
            "records": len(records),
            "changes_scores": changes_scores,
            "findings": [
                {**finding._asdict(), "cases": [case._asdict() for case in finding.cases]}
                for finding in findings
            ],
            "page": self.html,
        }
        return Result(finding_lines(findings), values, status=1 if changes_scores else 0)


@dataclass(frozen=True)
class Show:
    """Draw records of a data set, evenly spaced, with boxes, points, names and masks."""

    name: Annotated[Positional[str], arg(metavar="NAME|PATH")]
    """A data set under the data root, or a folder."""
    out: Path
    """The figure; its ending decides on the format, such as .png."""
    n: int = 12
    """Number of records."""
    data_root: _DataRoot = None
    output: OutputOptions = OutputOptions()

    def run(self) -> Result:
        """Write the figure and return its path."""
        from convcorr_jax.datasets import loading, read_records
        from convcorr_jax.io import check_outputs, write_image
        from convcorr_jax.report import contact_sheet

        if self.n < 1:
            raise InputError(f"--n is {self.n}; at least 1 is expected")
        folder = loading.find_folder(self.name, data_root=self.data_root)
        check_outputs((self.out,), read=(folder,))
        records = read_records(self.name, data_root=self.data_root)
        if not records:
            raise InputError(f"data set {self.name!r} has no records")
        count = min(self.n, len(records))
        chosen = [records[k * len(records) // count] for k in range(count)]
        write_image(self.out, contact_sheet(chosen))
        shown = [record.source_id for record in chosen]
        return Result([str(self.out)], {"figure": self.out, "source_ids": shown})


def _paragraph(dataset: "DataSet", path: Path | None) -> str:
    """Return what the list says of a data set, which is in a folder or, None, not here."""
    counts = ", ".join(f"{count} {split}" for split, count in dataset.counts.items())
    size = f"; about {dataset.megabytes} MB to download" if dataset.megabytes else ""
    return (
        f"{dataset.name}: {dataset.title}\n"
        f"  from {dataset.homepage}{size}\n"
        f"  licence: {dataset.licence}\n"
        f"  expected: {dataset.layout}\n"
        + (f"  records: {counts}\n" if counts else "")
        + f"  here: {path or 'no'}"
    )


def _preparation(prepared: "Prepared", dataset: "DataSet") -> Result:
    """Return the counts of prepared records beside the official ones, and what makes no record."""
    lines = []
    for split in {**dataset.counts, **prepared.counts}:
        official = dataset.counts.get(split)
        beside = "" if official is None else f" (officially {official})"
        lines.append(f"{split}: {prepared.counts.get(split, 0)} records{beside}")
    absent = prepared.absent
    if absent:
        lines.append(f"{len(absent)} annotations make no record:")
        lines += [f"  {one.source_id}: {one.reason}" for one in absent[:_MOST_LISTED]]
    if len(absent) > _MOST_LISTED:
        lines.append(f"  and {len(absent) - _MOST_LISTED} more")
    lines.append(str(prepared.folder))
    values = {
        "name": dataset.name,
        "folder": prepared.folder,
        "counts": prepared.counts,
        "official_counts": dataset.counts,
        "absent": [one._asdict() for one in absent],
    }
    return Result(lines, values)


@contextmanager
def _unpacked(source: Path, out: Path, dataset: "DataSet") -> Iterator[Path]:
    """Yield the source if it is a folder, or else a folder of the archive's contents, removed at the end."""
    from convcorr_jax.datasets.formats.archives import unpack
    from convcorr_jax.io import temporary_folder

    if not source.is_file():
        yield source
        return
    for archive in dataset.archives:
        if archive.name == source.name:
            with source.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
            if digest != archive.sha256:
                raise InputError(f"{source} has the SHA-256 {digest}, and officially {archive.sha256}")
    with temporary_folder(out) as temporary:
        yield _innermost(unpack(source, temporary / "unpacked"), dataset)


def _innermost(folder: Path, dataset: "DataSet") -> Path:
    """Return the folder of a release: the folder itself, or the only folder in it."""
    try:
        next(iter(dataset.read(folder)), None)
    except InputError:
        inside = list(folder.iterdir())
        if len(inside) == 1 and inside[0].is_dir():
            return inside[0]
    return folder
