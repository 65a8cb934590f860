"""A TFDS builder of every catalogued data set, for programs that speak TFDS.

    import tensorflow_datasets as tfds

    flic = builder("flic", data_dir="data")
    flic.download_and_prepare(download_config=tfds.download.DownloadConfig(manual_dir="FLIC"))
    flic.as_data_source("train")[0]["points"]

Nothing is downloaded: the official releases ask for forms or leave to be fetched by hand, as TFDS's
``manual_dir`` has it. The builders stay out of TFDS's register, in which "flic" and others are taken.
Prepared data need none of this: ``tfds.builder_from_directory`` reads them with TFDS alone.
"""

import types
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import tensorflow_datasets as tfds
from tensorflow_datasets.core.dataset_builder import FileReaderBuilder

from convcorr_jax.datasets.catalogue import DATASETS, DataSet
from convcorr_jax.datasets.prepared import metadata, writing
from convcorr_jax.datasets.prepared.features import FEATURES
from convcorr_jax.errors import InputError


class PreparedBuilder(FileReaderBuilder, skip_registration=True):
    """Prepares the data set of a catalogue entry and reads it; `builder_class` fills in the entry."""

    VERSION = tfds.core.Version("1.0.0")
    dataset: ClassVar[DataSet]

    def __init__(self, *, file_format: str = metadata.FILE_FORMAT, **options: Any) -> None:
        if file_format != metadata.FILE_FORMAT:
            raise InputError(
                f"file_format {file_format!r} is not written; {metadata.FILE_FORMAT!r} is"
            )
        super().__init__(file_format=file_format, **options)

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description=self.dataset.title,
            features=FEATURES,
            homepage=self.dataset.homepage,
            disable_shuffling=True,
        )

    def download_and_prepare(  # type: ignore[override]  # TFDS wraps its own
        self, *, download_config: tfds.download.DownloadConfig | None = None
    ) -> None:
        """Prepare the release that lies in the ``manual_dir`` of the configuration.

        TFDS's own writer starts from the beginning after a kill, so `writing.prepare` takes its place.

        Raises:
            InputError: no ``manual_dir`` is given, or as `writing.prepare`.
        """
        if download_config is None or download_config.manual_dir is None:
            raise InputError(
                f"{self.name} is not downloaded; give DownloadConfig(manual_dir=...), a folder that "
                f"holds {self.dataset.layout}"
            )
        writing.prepare(
            partial(self.dataset.read, Path(download_config.manual_dir)),
            Path(self.data_dir),
            name=self.name,
            version=str(self.version),
            description=self.dataset.title,
            homepage=self.dataset.homepage,
        )
        self.info.read_from_directory(self.data_dir)

    def _download_and_prepare(self, dl_manager: Any, download_config: Any = None) -> None:
        raise NotImplementedError("download_and_prepare does it all")


def builder_class(dataset: DataSet) -> type[PreparedBuilder]:
    """The builder of one catalogue entry, such as ``Flic`` with the name "flic"."""
    title = "".join(part.capitalize() for part in dataset.name.split("_"))
    said = {"name": dataset.name, "dataset": dataset, "__module__": __name__}
    return types.new_class(
        title, (PreparedBuilder,), {"skip_registration": True}, lambda body: body.update(said)
    )


def builder(name: str, **options: Any) -> PreparedBuilder:
    """The builder of a catalogued data set; ``options`` are those of TFDS, such as ``data_dir``.

    Raises:
        InputError: no data set of the catalogue has this name.
    """
    if name not in DATASETS:
        raise InputError(f"data set {name!r} is not known; {', '.join(DATASETS)} are")
    return builder_class(DATASETS[name])(**options)
