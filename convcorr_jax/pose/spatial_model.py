"""Which of several candidates belong to one person: a Markov random field over joints and the given torso.

With e_v the coarse heat-map of joint v, the torso's being a Gaussian at its given place, joint A gets

    log p_A = log o_A + sum over v != A of log(k_Av * relu(e_v) + b_Av),     o_A = relu(e_A) + b_A,
    q_A = p_A / max p_A,                                                     q_A max(q_A o_A),

where * is convolution, k_Av = softplus(prior) says how likely each displacement of A from v is, and
b_Av = softplus(bias) how likely A is anywhere, whatever v says. A torso that is not given is a map of zeros,
and adds the same everywhere.

Every joint hears from all others and from the torso, once, as in the model's source; the paper of 2015 calls
its field a tree and does not say which. The priors reach from any cell of the heat-map to any other; flat, as
they are at first, they change nothing but by b_A. In place of a partition function the peak, which stays where
it is, gets the height that o_A has at about that place: however many factors there are, a joint of which the
coarse net is unsure stays unsure, as the squared error to the Gaussian targets wants it.

Convolutions go through the Fourier transform, always: with windows as large as the maps themselves a direct
convolution took 10 times as long on a CPU at 16x16 cells, and 60 times at 30x40.

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
from convcorr_jax.pose.heatmaps import SIGMA_CELLS

# b at first, where a joint hears from another, and where from itself, in heights of a peak.
BACKGROUND = 1.0
OWN_BACKGROUND = 0.01
# Messages of perfect heat-maps at first. Joints are so many that loud ones outvote what the net saw: with 20
# backgrounds 12 % of LSPET's joints were found within 0.2 of a torso, with 1/32 the 18 % of no messages at all.
TORSO_MESSAGE = 1.0
JOINT_MESSAGE = 1 / 32
# k at first, where there is no histogram, and its least value for a message of 1 where there is one.
LEAST_PRIOR = 1e-4
# Histograms are blurred by so many cells.
BLUR_CELLS = 1.0


class SpatialModel(nn.Module):
    """From the heat-maps of the joints and of the torso to those of one person's joints."""

    architecture: Architecture

    @nn.compact
    def __call__(
        self, heatmaps: Float[Array, "b h w j"], torso: Float[Array, "b h w"]
    ) -> Float[Array, "b h w j"]:
        """Heat-maps about as high as those that come in."""
        joints = len(self.architecture.joints)
        height, width = self.architecture.heatmap_size(self.architecture.input_size)
        background, own_background = (
            nn.initializers.constant(_inverse_softplus(one)) for one in (BACKGROUND, OWN_BACKGROUND)
        )
        flat = nn.initializers.constant(_inverse_softplus(LEAST_PRIOR))
        prior = self.param("prior", flat, (joints, joints, 2 * height - 1, 2 * width - 1))
        bias = self.param("bias", background, (joints, joints))
        own_bias = self.param("own_bias", own_background, (joints,))

        evidence = jnp.concatenate([heatmaps, torso[..., None]], axis=-1).transpose(0, 3, 1, 2)
        evidence = nn.relu(evidence)
        own = evidence[:, :-1] + nn.softplus(own_bias)[None, :, None, None]
        heard = convolve(evidence, nn.softplus(prior), sources=_others(joints))
        # The transform's rounding may leave less than nothing.
        likely = nn.relu(heard) + nn.softplus(bias)[None, :, :, None, None]
        log_p = jnp.log(own) + jnp.log(likely).sum(axis=2)
        found = jnp.exp(log_p - log_p.max(axis=(2, 3), keepdims=True))
        return (found * (found * own).max(axis=(2, 3), keepdims=True)).transpose(0, 2, 3, 1)


def convolve(
    maps: Float[Array, "b v h w"],
    kernels: Float[Array, "j s kh kw"],
    *,
    sources: np.ndarray,
) -> Float[Array, "b j s h w"]:
    """``y_js[p] = sum_q k_js[p - q] maps[sources[j, s]][q]``; a kernel's middle is displacement 0."""
    sizes, middles = maps.shape[2:], [side // 2 for side in kernels.shape[2:]]
    # Long enough that what wraps round does not reach the part that is kept.
    lengths = [
        scipy.fft.next_fast_len(max(size + middle, side), real=True)
        for size, middle, side in zip(sizes, middles, kernels.shape[2:], strict=True)
    ]
    spectra = jnp.fft.rfft2(maps, s=lengths)[:, sources]
    product = jnp.fft.irfft2(spectra * jnp.fft.rfft2(kernels, s=lengths)[None], s=lengths)
    down, across = (
        slice(middle, middle + size) for middle, size in zip(middles, sizes, strict=True)
    )
    return product[..., down, across]


def initial_priors(
    points: Float[np.ndarray, "n j 2"],
    torso: Float[np.ndarray, "n 2"],
    *,
    architecture: Architecture,
) -> Float[np.ndarray, "j j kh kw"]:
    """The parameter ``prior`` from the displacements in a training set, in the input frame; NaN where missing.

    A pair's histogram is blurred and scaled such that a perfect heat-map sends a message of height
    `JOINT_MESSAGE`, that of the torso `TORSO_MESSAGE`. A pair that is never seen together keeps a flat prior.
    """
    height, width = architecture.heatmap_size(architecture.input_size)
    everyone = np.concatenate([points, torso[:, None]], axis=1)
    joints, middle = points.shape[1], np.array([width - 1, height - 1])
    priors = np.full((joints, joints, 2 * height - 1, 2 * width - 1), LEAST_PRIOR)
    for joint, sources in enumerate(_others(joints)):
        for place, source in enumerate(sources):
            apart = (everyone[:, joint] - everyone[:, source]) / architecture.pooling
            cells = np.round(apart[~np.isnan(apart).any(axis=1)]).astype(int) + middle
            cells = cells[((cells >= 0) & (cells <= 2 * middle)).all(axis=1)]
            if len(cells):
                histogram = np.zeros(priors.shape[2:])
                np.add.at(histogram, (cells[:, 1], cells[:, 0]), 1.0)
                loudness = TORSO_MESSAGE if source == joints else JOINT_MESSAGE
                priors[joint, place] = loudness * np.maximum(_scaled(histogram), LEAST_PRIOR)
    return _inverse_softplus(priors)


def _scaled(histogram: np.ndarray) -> np.ndarray:
    blurred = scipy.ndimage.gaussian_filter(histogram, BLUR_CELLS, mode="constant")
    # The filter's weights add up to 1, those of a heat-map's peak to 2 pi sigma^2.
    message = scipy.ndimage.gaussian_filter(blurred, SIGMA_CELLS, mode="constant")
    return blurred / (message.max() * 2 * np.pi * SIGMA_CELLS**2)


def _others(joints: int) -> np.ndarray:
    """For every joint, all maps but its own; the torso's is the last."""
    return np.array([[v for v in range(joints + 1) if v != joint] for joint in range(joints)])


def _inverse_softplus(values: np.ndarray | float) -> np.ndarray:
    return np.asarray(np.log(np.expm1(values)), np.float32)
