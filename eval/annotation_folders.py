"""Write folders of labelled photographs for `eval.annotation`, from data sets of faces, people and objects.

    python -m eval.annotation_folders --data-root data --out runs/annotation_folders

Each folder holds photographs, ``labels.json`` (COCO) and ``split.csv``: examples are drawn from half of the
training photographs, and the other half is annotated; with ``--test``, all of them and the test photographs.
`convcorr_jax.tasks.annotation` says what the folders show.
"""

import time
from dataclasses import dataclass
from pathlib import Path

from convcorr_jax.io import make_folder
from convcorr_jax.runtime import progress, run, write_results
from convcorr_jax.tasks import DataRoot, Output
from convcorr_jax.tasks.annotation import FOLDERS, Choice, write_folder


@dataclass(frozen=True)
class Config:
    """Which folders to write."""

    folders: tuple[str, ...] = FOLDERS
    most: int = 200
    """The most photographs of each part of a folder."""
    test: bool = False
    """Annotate test photographs."""
    seed: int = 0
    output: Output = Output(Path("runs/annotation_folders"))
    data_root: DataRoot = None


def main(config: Config) -> Path:
    """Write the folders, and return the path of ``result.json``."""
    started = time.perf_counter()
    out = make_folder(config.output.out)
    choice = Choice(config.most, config.test, config.seed, config.data_root)
    counts = {
        name: write_folder(out / name, name, choice)
        for name in progress(config.folders, description="writing folders")
    }
    return write_results(out, {"folders": counts}, config, started=started)


if __name__ == "__main__":
    run(Config, main, __doc__)
