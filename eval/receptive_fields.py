"""Table 1 of Long et al. 2014: size and stride of CaffeNet's receptive fields, from its layer table.

python -m eval.receptive_fields
"""

import time
from dataclasses import dataclass
from pathlib import Path

from convcorr_jax.backbone import NETWORKS, receptive_field
from convcorr_jax.io import make_folder
from convcorr_jax.runtime import run, write_results
from convcorr_jax.tasks import DataRoot, Output

# Size and stride in pixels, by layer.
PUBLISHED = {
    "conv1": (11, 4),
    "conv2": (51, 8),
    "conv3": (99, 16),
    "conv4": (131, 16),
    "conv5": (163, 16),
    "pool5": (195, 32),
}


@dataclass(frozen=True)
class Config:
    """Where to write."""

    output: Output = Output(Path("runs/receptive_fields"))
    data_root: DataRoot = None
    """Not used; every script accepts it."""


def main(config: Config) -> Path:
    """Compute the receptive field of every layer; returns the path of ``result.json``."""
    started = time.perf_counter()
    out = make_folder(config.output.out)
    layers = {}
    for layer, (size, stride) in PUBLISHED.items():
        field = receptive_field(NETWORKS["caffenet"], layer)
        layers[layer] = {
            "size_px": field.size_px,
            "stride_px": field.stride_px,
            "first_center_px": field.first_center_px,
            "published": {"size_px": size, "stride_px": stride},
        }
    return write_results(out, {"network": "caffenet", "layers": layers}, config, started=started)


if __name__ == "__main__":
    run(Config, main, __doc__)
