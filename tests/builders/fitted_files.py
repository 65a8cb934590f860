"""Changed files of fitted models, which state the right checksum."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from convcorr_jax.io import load_arrays, with_ending, write_arrays


def change_facts(path: Path, changes: Mapping[str, Any]) -> None:
    """Replace facts; a name such as "reads.layer" is of a fact inside another, and None removes it."""
    listing = with_ending(path, ".json")
    facts = json.loads(listing.read_text())
    for name, value in changes.items():
        *outer, last = name.split(".")
        inner = facts
        for part in outer:
            inner = inner[part]
        inner[last] = value
        if value is None:
            del inner[last]
    listing.write_text(json.dumps(facts))


def change_arrays(path: Path, **changes: np.ndarray | None) -> None:
    """Replace arrays, or remove them where the change is None, and state the new checksum."""
    npz = with_ending(path, ".npz")
    arrays = {**load_arrays(npz), **changes}
    write_arrays(npz, **{name: array for name, array in arrays.items() if array is not None})
    seal(path)


def seal(path: Path) -> None:
    """State the checksum of the arrays as they are."""
    checksum = hashlib.sha256(with_ending(path, ".npz").read_bytes()).hexdigest()
    change_facts(path, {"arrays_sha256": checksum})
