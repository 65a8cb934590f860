"""The spatial model: a Markov random field over joints and torso that selects the joints of one person.

With e_v the coarse heat-map of joint v (that of the torso is a Gaussian at its known position), the heat-map of
joint A becomes

    log p_A = log o_A + sum over v != A of log(k_Av * relu(e_v) + b_Av),     o_A = relu(e_A) + b_A,
    q_A = p_A / max p_A,                                                     q_A max(q_A o_A),

where * is convolution, k_Av = softplus(prior) is the likelihood of each displacement of A from v, and b_Av =
softplus(bias) the likelihood of A at any position, independent of v. An unknown torso is a map of zeros and
adds the same constant at every position.

The priors extend from any cell of the heat-map to any other; the initial priors are flat and change nothing
except by b_A.

Differs from the paper: the field is a complete graph, in which every joint receives one message from each other
joint and from the torso, as in the model's source; the paper of 2015 calls its field a tree and does not state
its edges. Instead of a partition function, the peak gets the height of o_A near its position: for any number of
factors, a joint with a low coarse peak keeps a low peak, as the squared error to the Gaussian targets requires.
Messages between joints begin with a height of 1/32 of the torso's (`JOINT_MESSAGE`).

Convolutions are always computed by the Fourier transform: with windows as large as the maps, direct convolution
took 10 times as long on a CPU at 16x16 cells, and 60 times at 30x40.

Sources: Tompson, Jain, LeCun and Bregler 2014, *Joint training of a convolutional network and a graphical model
for human pose estimation*, section 3.2; Tompson et al. 2015, section 3.3.
"""

import jax.numpy as jnp
import numpy as np
import scipy.fft
import scipy.ndimage
from flax import linen as nn
from jaxtyping import Array, Float

from convcorr_jax.pose.architecture import Architecture

BACKGROUND = 1.0
"""The initial b of messages from another joint, relative to the height of a peak."""
OWN_BACKGROUND = 0.01
"""The initial b of a joint's own heat-map, relative to the height of a peak."""
TORSO_MESSAGE = 1.0
"""The initial height of the torso's message."""
JOINT_MESSAGE = 1 / 32
"""The initial height of the message of a perfect heat-map of a joint.

There are so many joints that strong messages dominate the coarse heat-map."""
MIN_PRIOR = 1e-4
"""The initial k of a pair without a histogram, and the smallest k of a pair with one, for a message of height
1."""
BLUR_CELLS = 1.0
"""Standard deviation of the Gaussian that blurs histograms, in cells."""


class SpatialModel(nn.Module):
    """The Markov random field, from the heat-maps of joints and torso to heat-maps of one person's joints."""

    architecture: Architecture

    @nn.compact
    def __call__(
        self, heatmaps: Float[Array, "b h w j"], torso: Float[Array, "b h w"]
    ) -> Float[Array, "b h w j"]:
        """Compute the heat-maps of one person's joints; their peaks are about as high as those of the input.

        The torso is a Gaussian at its middle; 0 where it is unknown.
        """
        joints = len(self.architecture.joints)
        height, width = self.architecture.heatmap_size(self.architecture.input_size)
        background, own_background = (
            nn.initializers.constant(_inverse_softplus(value)) for value in (BACKGROUND, OWN_BACKGROUND)
        )
        flat = nn.initializers.constant(_inverse_softplus(MIN_PRIOR))
        prior = self.param("prior", flat, (joints, joints, 2 * height - 1, 2 * width - 1))
        bias = self.param("bias", background, (joints, joints))
        own_bias = self.param("own_bias", own_background, (joints,))

        unary = jnp.concatenate([heatmaps, torso[..., None]], axis=-1).transpose(0, 3, 1, 2)
        unary = nn.relu(unary)
        own = unary[:, :-1] + nn.softplus(own_bias)[None, :, None, None]
        messages = convolve(unary, nn.softplus(prior), sources=_others(joints))
        # Rounding in the transform may make messages negative.
        factors = nn.relu(messages) + nn.softplus(bias)[None, :, :, None, None]
        log_p = jnp.log(own) + jnp.log(factors).sum(axis=2)
        belief = jnp.exp(log_p - log_p.max(axis=(2, 3), keepdims=True))
        return (belief * (belief * own).max(axis=(2, 3), keepdims=True)).transpose(0, 2, 3, 1)


def convolve(
    maps: Float[Array, "b v h w"], kernels: Float[Array, "j s kh kw"], *, sources: np.ndarray
) -> Float[Array, "b j s h w"]:
    """Compute ``y_js[p] = sum_q k_js[p - q] maps[sources[j, s]][q]`` by the Fourier transform.

    Maps are 0 outside; the middle of a kernel is displacement 0.
    """
    sizes, middles = maps.shape[2:], [side // 2 for side in kernels.shape[2:]]
    # So long that the part that wraps around stays outside the result.
    lengths = [
        scipy.fft.next_fast_len(max(size + middle, side), real=True)
        for size, middle, side in zip(sizes, middles, kernels.shape[2:], strict=True)
    ]
    spectra = jnp.fft.rfft2(maps, s=lengths)[:, sources]
    product = jnp.fft.irfft2(spectra * jnp.fft.rfft2(kernels, s=lengths)[None], s=lengths)
    down, across = (slice(middle, middle + size) for middle, size in zip(middles, sizes, strict=True))
    return product[..., down, across]


def initial_priors(
    points: Float[np.ndarray, "n j 2"], torso: Float[np.ndarray, "n 2"], *, architecture: Architecture
) -> Float[np.ndarray, "j j kh kw"]:
    """Compute the parameter ``prior`` from the displacements in a training set.

    The histogram of a pair's displacements is blurred, and scaled so that the message of a perfect heat-map has
    the height `JOINT_MESSAGE`, that of the torso `TORSO_MESSAGE`. A pair that is never present together has a
    flat prior.
    """
    height, width = architecture.heatmap_size(architecture.input_size)
    points_and_torso = np.concatenate([points, torso[:, None]], axis=1)
    joints, middle = points.shape[1], np.array([width - 1, height - 1])
    priors = np.full((joints, joints, 2 * height - 1, 2 * width - 1), MIN_PRIOR)
    for joint, sources in enumerate(_others(joints)):
        for place, source in enumerate(sources):
            displacement = points_and_torso[:, joint] - points_and_torso[:, source]
            displacement = displacement[~np.isnan(displacement).any(axis=1)]
            cells = np.round(displacement / architecture.pooling).astype(int) + middle
            cells = cells[((cells >= 0) & (cells <= 2 * middle)).all(axis=1)]
            if len(cells):
                histogram = np.zeros(priors.shape[2:])
                np.add.at(histogram, (cells[:, 1], cells[:, 0]), 1.0)
                message = TORSO_MESSAGE if source == joints else JOINT_MESSAGE
                scaled = _scaled(histogram, sigma_cells=architecture.sigma_px / architecture.pooling)
                priors[joint, place] = message * np.maximum(scaled, MIN_PRIOR)
    return _inverse_softplus(priors)


def _scaled(histogram: np.ndarray, *, sigma_cells: float) -> np.ndarray:
    """Blur a histogram, and scale it so that the message of a perfect heat-map has the height 1."""
    blurred = scipy.ndimage.gaussian_filter(histogram, BLUR_CELLS, mode="constant")
    # The sum of the filter's weights is 1, that of a heat-map's peak 2 pi sigma^2.
    message = scipy.ndimage.gaussian_filter(blurred, sigma_cells, mode="constant")
    return blurred / (message.max() * 2 * np.pi * sigma_cells**2)


def _others(joints: int) -> np.ndarray:
    """Return, for every joint, the numbers of all maps except its own; the torso's map is the last."""
    numbers = range(joints + 1)
    return np.array([[v for v in numbers if v != joint] for joint in range(joints)])


def _inverse_softplus(values: np.ndarray | float) -> np.ndarray:
    return np.asarray(np.log(np.expm1(values)), np.float32)
