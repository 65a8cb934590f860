"""kornia: `DenseSIFTDescriptor` on one image."""

import kornia  # pyrefly: ignore[missing-import]
import numpy as np
import torch

from eval.benchmark.workers.serving import Arrays, Task, serve


def prepare(inputs: Arrays) -> Task:
    """Create the extractor."""
    extractor = kornia.feature.DenseSIFTDescriptor(
        spatial_bin_size=int(inputs["bin"]),
        stride=int(inputs["stride"]),
        padding=int(inputs["padding"]),
        rootsift=False,
    )
    image = torch.from_numpy(inputs["grey"])[None, None]

    def run():
        with torch.inference_mode():
            return extractor(image)

    return Task(run, _bins_first)


def _bins_first(output) -> Arrays:
    """Return descriptors ``[height, width, 128]`` with the orientation last, where kornia has it first."""
    height, width = output.shape[2:]
    maps = output[0].numpy().reshape(8, 16, height, width)
    return {"descriptors": np.ascontiguousarray(maps.transpose(2, 3, 1, 0)).reshape(height, width, 128)}


if __name__ == "__main__":
    serve(prepare, packages=("kornia", "torch"))
