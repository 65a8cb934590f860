"""The records of any source: how they are read, which of them train or are tested, and the options of scripts.

A script's ``Config`` nests these options; on the command line they have no prefix.
"""

import functools
import operator
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, NamedTuple, SupportsIndex, overload

import numpy as np
from jaxtyping import Int

from convcorr_jax import coords, synthetic
from convcorr_jax.backbone.weights import Weights, load
from convcorr_jax.datasets import GeneratedRecords, Record, Selection, loading, opening, selection
from convcorr_jax.errors import InputError
from convcorr_jax.runtime import Check


class Splits(NamedTuple):
    """The splits of an experiment."""

    training: tuple[str, ...]
    tested: str


def choose_splits(present: Iterable[str], *, tested: str | None = None, source: object) -> Splits:
    """Choose which splits of a data set train and which one is tested.

    By default the official evaluation split is tested: "test", or "val" where the data set has no annotated
    test split, as PASCAL VOC. The split "train" trains, and so does "val" beside a split "test" that is tested.
    Other splits are refused, unless one is named to be tested.

    >>> choose_splits(["train", "val"], source="voc2012_segmentation")
    Splits(training=('train',), tested='val')
    >>> choose_splits(["train", "val", "test"], source="camvid")
    Splits(training=('train', 'val'), tested='test')
    >>> choose_splits(["train", "val", "test"], tested="val", source="camvid")
    Splits(training=('train',), tested='val')
    """
    names = dict.fromkeys(present)
    unusual = [name for name in names if name not in ("train", "val", "test")]
    if tested is None and unusual:
        raise InputError(
            f"{source} has the splits {', '.join(names)}; name the one to test, since {unusual[0]!r} may be it"
        )
    if tested is None:
        tested = "test" if "test" in names else "val"
    may_train = ("train", "val") if tested == "test" else ("train",)
    training = tuple(name for name in may_train if name in names and name != tested)
    if tested not in names or not training:
        raise InputError(
            f"{source} has the splits {', '.join(names) or 'none'}; to test {tested!r}, records of "
            f"{tested!r} and of 'train' are expected"
        )
    return Splits(training, tested)


def evenly_spread(count: int, limit: int) -> Int[np.ndarray, " chosen"]:
    """Return at most ``limit`` of the numbers from 0 to ``count - 1``, evenly spread.

    >>> evenly_spread(5, 3).tolist()
    [0, 2, 4]
    """
    return np.linspace(0, count - 1, min(count, limit)).astype(int)


RENDERED = "rendered"
"""Records of articulated figures, rendered when they are read."""
PHOTOGRAPHS = "photographs"
"""The photographs that scikit-image, scikit-learn and matplotlib install, without annotations."""
RENDERED_PX = 256
"""Height and width of a rendered image by default."""
# Rendered records that stay in memory for the next experiment, of about a quarter of a megabyte each.
_CACHED = 400
COLLECTIONS = MappingProxyType({"faces": ("lfpw68", "helen68")})
"""Names that stand for several data sets."""


def read(
    source: str | Path,
    *,
    data_root: Path | None = None,
    categories: Sequence[str] = (),
    train: int = 100,
    test: int = 25,
) -> Sequence[Record]:
    """Read all records of a source, in a fixed order.

    The source is `RENDERED`, `PHOTOGRAPHS`, a name of `COLLECTIONS`, or the name or path of a data set's
    folder; ``train`` and ``test`` are numbers of instances of every rendered category. Records of a prepared
    data set are read from disk whenever they are indexed.
    """
    _check_distinct(categories)
    if source == RENDERED:
        return [_rendered(*instance) for instance in _instances(categories, train, test)]
    records = _read(source, data_root)
    if not categories:
        return records
    chosen = [record for record in records if record.category in categories]
    if missing := set(categories) - {record.category for record in chosen}:
        raise InputError(f"{source} has no records of {', '.join(sorted(missing))}")
    return chosen


def select(
    source: str | Path,
    *,
    data_root: Path | None = None,
    categories: Sequence[str] = (),
    train: int = 100,
    test: int = 25,
    side_px: int = RENDERED_PX,
    change: Callable[[Record], Record] | None = None,
) -> Selection:
    """Read the records of a source like `read`, but each only when it is indexed, so that memory holds none.

    ``change`` is applied to every rendered record; its name is part of the records' fingerprint.
    """
    _check_distinct(categories)
    if source != RENDERED:
        return Selection.of(read(source, data_root=data_root, categories=categories))
    return Selection.of(_RenderedRecords(_instances(categories, train, test), side_px, change))


def _instances(categories: Sequence[str], train: int, test: int) -> list[tuple[str, int]]:
    """Return the categories and indices of rendered records."""
    return [
        (category, index)
        for category in categories or synthetic.CATEGORIES
        for split, count in (("train", train), ("test", test))
        for index in synthetic.indices(split, count=count)
    ]


def _check_distinct(categories: Sequence[str]) -> None:
    if len(set(categories)) < len(categories):
        raise InputError(f"categories names one twice: {', '.join(categories)}")


# Not Sequence[Record]: a run-time type checker would render a record to check its type.
class _RenderedRecords(GeneratedRecords):
    """Rendered records of categories and indices, each of which is rendered when it is indexed."""

    def __init__(
        self, keys: Sequence[tuple[str, int]], side_px: int, change: Callable[[Record], Record] | None
    ) -> None:
        self._keys = keys
        self._side_px = side_px
        self._change = change

    def __len__(self) -> int:
        return len(self._keys)

    @overload
    def __getitem__(self, index: SupportsIndex) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> "_RenderedRecords": ...
    def __getitem__(self, index: "SupportsIndex | slice") -> "Record | _RenderedRecords":
        if isinstance(index, slice):
            return _RenderedRecords(self._keys[index], self._side_px, self._change)
        record = _rendered(*self._keys[operator.index(index)], self._side_px)
        return self._change(record) if self._change else record

    def split(self, position: int) -> str:
        return synthetic.split_of(self._keys[position][1])

    def identity(self, position: int) -> str:
        category, index = self._keys[position]
        change = f" {self._change.__name__}" if self._change else ""
        return f"{synthetic.GENERATOR_VERSION} {category} {index} {self._side_px}{change};"


@functools.lru_cache(maxsize=_CACHED)
def _rendered(category: str, index: int, side_px: int = RENDERED_PX) -> Record:
    record = synthetic.render(category, seed=0, index=index, size=(side_px, side_px))
    for value in vars(record).values():
        if isinstance(value, np.ndarray):
            value.flags.writeable = False
    return record


def _read(source: str | Path, data_root: Path | None) -> Sequence[Record]:
    if source == PHOTOGRAPHS:
        return [_unannotated(photograph) for photograph in selection.photographs()]
    if source in COLLECTIONS:
        folders = COLLECTIONS[str(source)]
        return [record for name in folders for record in opening.read_records(name, data_root=data_root)]
    return opening.read_records(source, data_root=data_root)


def _unannotated(photograph: selection.Photograph) -> Record:
    """Return a photograph as a record without keypoints."""
    return Record(
        image=np.asarray(photograph.image),
        size=coords.Size(*photograph.image.shape[:2]),
        category=PHOTOGRAPHS,
        source_id=photograph.name,
        split=PHOTOGRAPHS,
    )


def _check_present(sources: str | Sequence[str] | None, options: Any) -> None:
    """Refuse sources that are not there, among which ``options.data_root`` is the folder of data sets."""
    for source in (sources,) if isinstance(sources, str) else sources or ():
        if source not in (RENDERED, PHOTOGRAPHS):
            for name in COLLECTIONS.get(source, (source,)):
                loading.find_folder(name, data_root=options.data_root)


DataRoot = Annotated[Path | None, Check(lambda value, _: loading.root_folder(data_root=value))]
"""An option for the folder of data sets, which must be there if it is stated."""
Source = Annotated[str, Check(_check_present)]
"""An option for the source of `read`, beside an option ``data_root``; scripts find at once what is missing."""
Sources = Annotated[tuple[str, ...], Check(_check_present)]
"""An option for several sources."""


@dataclass(frozen=True)
class Data:
    """The records to read; see `convcorr_jax.tasks.read`."""

    dataset: Source = RENDERED
    """``rendered``, ``faces``, or the name or path of a data set's folder."""
    data_root: DataRoot = None
    """Folder of data sets; by default $CONVCORR_DATA, or else the user's data folder."""
    rendered_train: int = 100
    """Training instances of every rendered category."""
    rendered_test: int = 25
    """Test instances of every rendered category."""
    split: str | None = None
    """Split to test; by default the data set's own evaluation split: test, or val where there is no test."""


@dataclass(frozen=True)
class CategoryData(Data):
    """The records of categories to read."""

    categories: tuple[str, ...] = ()
    """Names of the only categories to read; by default all."""

    def read(self) -> Sequence[Record]:
        """Read the records, see `read`."""
        return read(
            self.dataset,
            data_root=self.data_root,
            categories=self.categories,
            train=self.rendered_train,
            test=self.rendered_test,
        )


@dataclass(frozen=True)
class Backbone:
    """The network that computes features."""

    network: str = "alexnet"
    """Name of the network; ``convcorr weights list`` names all. With vit, the vision transformer that the file
    of weights contains; with ORG/NAME, that of a repository in the cache of Hugging Face."""
    weights: Path | None = None
    """File of weights; by default the installed or fetched ones."""
    winograd: bool = True
    """Use Winograd's convolution on a CPU, if the network's table does. Without it, programs compile faster and
    run at half the speed, which is faster in all for a few hundred images."""

    def load(self) -> Weights:
        """Load the network's weights."""
        weights = load(self.network, path=self.weights)
        winograd = self.winograd and weights.network.winograd
        return replace(weights, network=weights.network._replace(winograd=winograd))


@dataclass(frozen=True)
class Output:
    """The folder of results."""

    out: Path
    """Folder of ``result.json``, ``run.json`` and figures."""
