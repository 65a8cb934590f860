"""Options that scripts share: the parts of their ``Config``.

A script's ``Config`` nests these parts; on the command line their options have no prefix.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from convcorr_jax.backbone.weights import Weights, load
from convcorr_jax.tasks.reading import RENDERED


@dataclass(frozen=True)
class Data:
    """The records to read; see `convcorr_jax.tasks.read`."""

    dataset: str = RENDERED
    """``rendered``, ``faces``, or the name or path of a data set's folder."""
    data_root: Path | None = None
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


@dataclass(frozen=True)
class Backbone:
    """The network that computes features."""

    network: str = "alexnet"
    """Name of the network; ``convcorr weights list`` names all."""
    weights: Path | None = None
    """File of weights; by default the installed or fetched ones."""
    winograd: bool = True
    """Use Winograd's convolution on a CPU. Without it, programs compile faster and run at half the speed, which
    is faster in all for a few hundred images."""

    def load(self) -> Weights:
        """Load the network's weights.

        Raises:
            InputError: the network is unknown, or its weights are missing or damaged.
        """
        weights = load(self.network, path=self.weights)
        return replace(weights, network=weights.network._replace(winograd=self.winograd))


@dataclass(frozen=True)
class Output:
    """The folder of results."""

    out: Path
    """Folder of ``result.json``, ``run.json`` and figures."""
