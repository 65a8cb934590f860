"""``convcorr``: which commands there are, and how each of them ends."""

import os
import sys
from collections.abc import Sequence
from typing import Annotated

from tyro.conf import subcommand

from convcorr_jax.cli import datasets
from convcorr_jax.cli.align import Align
from convcorr_jax.cli.keypoints import Keypoints
from convcorr_jax.cli.landmarks import Landmarks
from convcorr_jax.cli.pose import Pose
from convcorr_jax.cli.weights import Check, Fetch, List
from convcorr_jax.errors import InputError
from convcorr_jax.runtime.options import parse

_WeightsCommand = (
    Annotated[List, subcommand("list")]
    | Annotated[Fetch, subcommand("fetch")]
    | Annotated[Check, subcommand("check")]
)
_DatasetsCommand = (
    Annotated[datasets.List, subcommand("list")]
    | Annotated[datasets.Prepare, subcommand("prepare")]
    | Annotated[datasets.Check, subcommand("check")]
    | Annotated[datasets.Show, subcommand("show")]
)
_Command = (
    Annotated[Align, subcommand("align")]
    | Annotated[Keypoints, subcommand("keypoints")]
    | Annotated[Landmarks, subcommand("landmarks")]
    | Annotated[Pose, subcommand("pose")]
    | Annotated[
        _WeightsCommand,
        subcommand("weights", description="List, fetch and check the networks' trained weights."),
    ]
    | Annotated[
        _DatasetsCommand,
        subcommand("datasets", description="List, prepare, check and show data sets."),
    ]
)

# As a shell reports a program that was interrupted, or whose reader went away.
_INTERRUPTED, _NO_READER = 130, 141


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that ``argv`` (``sys.argv`` by default) names; returns the exit status.

    0 when it is done; 1 when a data set was found wanting; 2 with one sentence on the error stream
    when the input is wrong; 130 when interrupted.
    """
    try:
        command = parse(_Command, argv, prog="convcorr", description="Where convnets look.")
        status = command.run() or 0
        sys.stdout.flush()
    except InputError as error:
        sys.stderr.write(f"convcorr: {' '.join(str(error).split())}\n")
        return 2
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # Nothing more can be said there; Python would try again when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _NO_READER
    return status
