import pytest

from convcorr_jax.pose import PHASES, phase_costs
from tests.builders.pose_architectures import tiny


@pytest.mark.parametrize("phase", PHASES)
def test_every_phase_compiles_for_accelerators(phase):
    costs = phase_costs(tiny(), phase, platforms=("cuda", "tpu"))
    assert set(costs.program_bytes) == {"cuda", "tpu"}
    assert min(costs.program_bytes.values()) > 1000


def test_operations_grow_with_the_features_of_a_layer():
    few, more, most = (
        phase_costs(tiny(hidden=(count, 8)), "coarse", platforms=()).flops_per_image
        for count in (256, 512, 768)
    )
    assert most - more == pytest.approx(more - few, rel=0.01)
    # The convolution over 3x3 cells of 6 features: two levels, of 5x8 and of 3x4 padded cells; the gradient
    # of its weights and that of its input take as many operations again.
    # XLA leaves out products with the zeros of the padding.
    multiplications = 256 * 9 * 6 * (6 * 8 + 3 * 4)
    assert more - few == pytest.approx(2 * 3 * multiplications, rel=0.15)
