"""``convcorr weights``: which trained weights are here, fetching the official ones, checking a file."""

import sys
from dataclasses import dataclass
from typing import Annotated

from tyro.conf import Positional, arg

from convcorr_jax.errors import InputError


@dataclass(frozen=True)
class List:
    """Say of every network where its weights are, or where they are published and under what licence."""

    def run(self) -> None:
        """Print one paragraph a network."""
        from convcorr_jax.backbone.weights import OFFICIAL, find, folder

        for name, official in OFFICIAL.items():
            sys.stdout.write(
                f"{name}: {find(name) or 'not here'}\n"
                f"  official: {official.url} ({official.megabytes} MB, {official.algorithm} "
                f"{official.checksum})\n"
                f"  licence: {official.licence}\n"
            )
        sys.stdout.write(
            f"Fetched weights are kept in {folder()} (CONVCORR_WEIGHTS names another).\n"
        )


@dataclass(frozen=True)
class Fetch:
    """Download a network's official weights, compared with their published checksum."""

    name: Annotated[Positional[str], arg(metavar="NETWORK")]
    """alexnet, vgg16, caffenet or bvlc_alexnet."""

    def run(self) -> None:
        """Download with a bar on the error stream; print where the file is."""
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

        from convcorr_jax.backbone.weights import fetch

        console = Console(stderr=True)
        columns = BarColumn(), DownloadColumn(), TimeRemainingColumn()
        # Into a file it would write an empty line.
        disable = not console.is_terminal
        with Progress(*columns, console=console, transient=True, disable=disable) as bar:
            task = bar.add_task(self.name, total=None)
            path = fetch(
                self.name,
                progress=lambda done, total: bar.update(task, completed=done, total=total),
            )
        sys.stdout.write(f"{path}\n")


@dataclass(frozen=True)
class Check:
    """Read weights as every command does, with every check, and say which layers they suffice for."""

    what: Annotated[
        Positional[str | None],
        arg(metavar="NETWORK|PATH", help_behavior_hint="(default: every network that is here)"),
    ] = None
    """A network, to check the weights that are found for it, or a file."""
    network: Annotated[str, arg(metavar="NAME")] = "alexnet"
    """Whose weights a file should hold: alexnet, vgg16, caffenet or bvlc_alexnet."""

    def run(self) -> None:
        """Print one line for each file that is in order; the first that is not ends the command."""
        from convcorr_jax.backbone import NETWORKS
        from convcorr_jax.backbone.weights import find, load

        if self.what is None:
            checked = [load(name) for name in NETWORKS if find(name)]
            if not checked:
                raise InputError("there are no weights here; see `convcorr weights list`")
        elif self.what in NETWORKS:
            checked = [load(self.what)]
        else:
            checked = [load(self.network, self.what)]
        for weights in checked:
            sys.stdout.write(
                f"{weights.network.name}: {weights.source} is in order, up to {weights.layers[-1]}\n"
            )
