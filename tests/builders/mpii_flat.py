"""MPII's flat forms: the hourglass's HDF5 and the JSON of simple baselines."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np


def write_h5(path: Path, *, count: int = 2, **changes: Any) -> Path:
    """Write people with all joints at (1, 1), or with other arrays; None leaves an array out."""
    arrays = {
        **{"imgname": np.array([b"a.jpg"] * count), "person": np.arange(float(count))},
        **{"part": np.ones((count, 16, 2)), "visible": np.ones((count, 16)), "center": np.ones((count, 2))},
        **{"scale": np.ones(count), "normalize": np.ones(count)},
    }
    with h5py.File(path, "w") as stored:
        for name, array in (arrays | changes).items():
            if array is not None:
                stored[name] = array
    return path


def json_person(**changes: Any) -> dict[str, Any]:
    """Return a person with all joints, some of whose fields may be changed."""
    joints = [[float(3 + number), 20.0 - number] for number in range(16)]
    person = {"image": "a.jpg", "joints": joints, "joints_vis": [1] * 16, "center": [21.0, 22.0], "scale": 0.5}
    return person | changes
