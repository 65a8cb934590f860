"""``convcorr weights``: list the trained weights, fetch the official ones, check a file."""

from dataclasses import dataclass
from typing import Annotated

from tyro.conf import Positional, arg

from convcorr_jax.cli.results import OutputOptions, Result
from convcorr_jax.errors import InputError
from convcorr_jax.runtime.progress import bar


@dataclass(frozen=True)
class List:
    """List where every network's weights are, where they are published, and their licence."""

    output: OutputOptions = OutputOptions()

    def run(self) -> Result:
        """Return a paragraph for each network."""
        from convcorr_jax.backbone.weights import OFFICIAL, find, folder

        networks = [
            {"network": name, "path": find(name), **official._asdict()}
            for name, official in OFFICIAL.items()
        ]
        lines = [
            f"{network['network']}: {network['path'] or 'not here'}\n"
            f"  official: {network['url']} ({network['megabytes']} MB, {network['algorithm']} "
            f"{network['checksum']})\n"
            f"  licence: {network['licence']}"
            for network in networks
        ]
        lines.append(f"Fetched weights are kept in {folder()} (CONVCORR_WEIGHTS names another).")
        return Result(lines, {"folder": folder(), "networks": networks})


@dataclass(frozen=True)
class Fetch:
    """Download a network's official weights and compare them with their published checksum."""

    name: Annotated[Positional[str], arg(metavar="NETWORK")]
    """alexnet, vgg16, caffenet or bvlc_alexnet."""
    output: OutputOptions = OutputOptions()

    def run(self) -> Result:
        """Download with a progress bar, and return the path of the file."""
        from convcorr_jax.backbone.weights import fetch

        with bar(self.name, unit="bytes", transient=True) as update:
            path = fetch(self.name, progress=update)
        return Result([str(path)], {"network": self.name, "path": path})


@dataclass(frozen=True)
class Check:
    """Read weights with every check, and print the last layer that they suffice for."""

    what: Annotated[
        Positional[str | None],
        arg(metavar="NETWORK|PATH", help_behavior_hint="(default: every network that is here)"),
    ] = None
    """A network, whose weights are looked for, or a file of weights."""
    network: Annotated[str, arg(metavar="NAME")] = "alexnet"
    """The network of a file's weights: alexnet, vgg16, caffenet or bvlc_alexnet."""
    output: OutputOptions = OutputOptions()

    def run(self) -> Result:
        """Return a line for each file that is in order; the first damaged file ends the command."""
        from convcorr_jax.backbone import NETWORKS
        from convcorr_jax.backbone.weights import find, load

        if self.what is None:
            checked = [load(name) for name in NETWORKS if find(name)]
            if not checked:
                raise InputError("there are no weights here; see `convcorr weights list`")
        elif self.what in NETWORKS:
            checked = [load(self.what)]
        else:
            checked = [load(self.network, path=self.what)]
        return Result(
            [
                f"{weights.network.name}: {weights.source} is in order, up to {weights.layers[-1]}"
                for weights in checked
            ],
            {
                "weights": [
                    {
                        "network": weights.network.name,
                        "source": weights.source,
                        "last_layer": weights.layers[-1],
                    }
                    for weights in checked
                ]
            },
        )
