"""Train the coarse-to-fine pose cascade (Tompson et al. 2015).

    python -m train.pose_cascade                                            (rendered people, small)
    python -m train.pose_cascade --dataset lspet --preset small --out runs/lspet
    python -m train.pose_cascade --dataset mpii --preset paper-mpii --dtype bfloat16     (an accelerator)

Training has three phases: the coarse net; the fine net and the spatial model, with the coarse net fixed; all
nets together. The cascade learns from the training split only; a part of it, or the data set's validation
split, chooses the checkpoint. The loop is `convcorr_jax.tasks.pose.training`.

Writes into ``--out``: ``model.npz`` and ``model.json``, the best model in half precision
(`convcorr_jax.pose.TrainedCascade`); ``checkpoints``, the latest and the best; ``metrics.jsonl`` and
``curves.png``; ``result.json``. A run that was killed continues from its latest checkpoint to the same weights,
bit for bit on the same number of devices, up to rounding on another number.
"""

from dataclasses import dataclass
from pathlib import Path

from convcorr_jax.runtime import run
from convcorr_jax.tasks.pose import TrainingConfig, train


@dataclass(frozen=True)
class Config(TrainingConfig):
    """What to train, on what, and where the results go."""


def main(config: Config) -> Path:
    """Train a cascade, save the best model, and write ``result.json``; return its path."""
    return train(config)


if __name__ == "__main__":
    run(Config, main, __doc__)
