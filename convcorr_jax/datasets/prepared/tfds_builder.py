"""TFDS builders of all catalogued data sets, for programs that use TFDS.

    import tensorflow_datasets as tfds

    flic = builder("flic", data_dir="data")
    flic.download_and_prepare(download_config=tfds.download.DownloadConfig(manual_dir="FLIC"))
    flic.as_data_source("train")[0]["points"]

Nothing is downloaded: the official releases need a form or have to be downloaded by hand, so they are read
from TFDS's ``manual_dir``. The builders are not registered with TFDS, where "flic" and other names are taken.
Prepared data sets need no builder: ``tfds.builder_from_directory`` reads them with TFDS alone.
"""

import types
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import tensorflow_datasets as tfds
from tensorflow_datasets.core.dataset_builder import FileReaderBuilder

from convcorr_jax.datasets.catalogue import DATASETS, DataSet
from convcorr_jax.datasets.prepared import writing
from convcorr_jax.datasets.prepared.features import FEATURES
from convcorr_jax.errors import InputError


class PreparedBuilder(FileReaderBuilder, skip_registration=True):
    """A builder that prepares and reads one data set of the catalogue; see `builder_class`."""

    VERSION = tfds.core.Version("1.0.0")
    dataset: ClassVar[DataSet]

    def __init__(self, *, file_format: str = writing.FILE_FORMAT, **options: Any) -> None:
        if file_format != writing.FILE_FORMAT:
            raise InputError(f"file_format {file_format!r} is not written; {writing.FILE_FORMAT!r} is")
        super().__init__(file_format=file_format, **options)

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description=self.dataset.title,
            features=FEATURES,
            homepage=self.dataset.homepage,
            disable_shuffling=True,
        )

    def download_and_prepare(  # type: ignore[override]  # TFDS wraps its own method
        self, *, download_config: tfds.download.DownloadConfig | None = None
    ) -> None:
        """Prepare the release in the ``manual_dir`` of the configuration.

        This method calls `writing.prepare`, because TFDS's own writer starts from the beginning after a kill.
        """
        if download_config is None or download_config.manual_dir is None:
            raise InputError(
                f"{self.name} is not downloaded; DownloadConfig(manual_dir=...) must name a folder that "
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
        raise NotImplementedError("download_and_prepare does not call this method")


def builder_class(dataset: DataSet) -> type[PreparedBuilder]:
    """Return the builder class of one catalogue entry, such as ``Flic`` for the name "flic"."""
    title = "".join(part.capitalize() for part in dataset.name.split("_"))
    attributes = {"name": dataset.name, "dataset": dataset, "__module__": __name__}
    return types.new_class(
        title, (PreparedBuilder,), {"skip_registration": True}, lambda body: body.update(attributes)
    )


def builder(name: str, **options: Any) -> PreparedBuilder:
    """Return the builder of a catalogued data set, with options of TFDS's builders, such as ``data_dir``."""
    if name not in DATASETS:
        raise InputError(f"data set {name!r} is not known; {', '.join(DATASETS)} are")
    return builder_class(DATASETS[name])(**options)
