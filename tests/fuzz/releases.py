"""Files of tiny data sets, official and compact: one is damaged and the whole data set is read."""

import functools
import tempfile
from collections.abc import Callable
from pathlib import Path

from convcorr_jax.datasets import DATASETS
from convcorr_jax.datasets.compact import people, scenes
from convcorr_jax.datasets.official import imagenet, pf_willow
from tests.builders import compact_folders
from tests.builders.releases import IMAGENET_IMAGES, RELEASES
from tests.builders.willow_tree import listed_line
from tests.fuzz.mutation import Target, mutated, mutated_archive


def _target(
    name: str, file: str, write: Callable[[Path], object], read: Callable[[Path], object], mutate=mutated
) -> Target:
    """Return the target of one file of a folder that can be written and read."""

    def seeds() -> list[bytes]:
        with tempfile.TemporaryDirectory() as folder:
            write(Path(folder))
            return [(Path(folder) / file).read_bytes()]

    def read_damaged(path: Path) -> None:
        folder = path.with_name("folder")
        if not folder.is_dir():
            folder.mkdir()
            write(folder)
        (folder / file).write_bytes(path.read_bytes())
        read(folder)

    return Target(f"{name}-{Path(file).name.replace(' ', '-')}", seeds, read_damaged, mutate)


def _read(name: str, folder: Path) -> None:
    dataset = DATASETS[name]
    list(dataset.read(folder))
    if dataset.read_pairs is not None:
        dataset.read_pairs(folder)


_DUCKS, _CARS = (listed_line("duck(S)", "b_2", "a_1"), listed_line("car(G)", "c_3", "a_1"))
_IMAGENET_LIST = "".join(f"{name} {label}\n" for name, label in zip(IMAGENET_IMAGES, (65, 970), strict=False))
TARGETS = [
    *(
        _target(name, file, release.write, functools.partial(_read, name))
        for name, release in RELEASES.items()
        for file in release.files
    ),
    *(
        _target(f"compact-{name}", file, write, read, mutate)
        for name, file, write, read, mutate in (
            ("willow", "annotations.json", compact_folders.write_pf_willow, scenes.read_pairs, mutated),
            ("faces", "annotations.npz", compact_folders.write_faces, people.read_landmarks, mutated_archive),
            ("camvid", "meta.json", compact_folders.write_camvid, scenes.read_camvid, mutated),
            ("lspet", "annotations.npz", compact_folders.write_lspet, people.read_lspet, mutated_archive),
        )
    ),
    Target("pf_willow-list", lambda: [f"\n{_DUCKS}{_CARS}".encode()], pf_willow.read_pair_list, mutated),
    Target("imagenet-list", lambda: [_IMAGENET_LIST.encode()], imagenet.read_list, mutated),
]
