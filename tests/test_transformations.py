"""Functions of the numerical rooms under `jax.vmap` and `jax.grad`, and how often they are compiled."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from convcorr_jax import descriptors, flow
from convcorr_jax.flow.distance_transform import LONGEST_DENSE_LINE
from convcorr_jax.linear import ridge
from convcorr_jax.linear.ridge import solvers
from tests.builders.numerical_cases import cases


class Mapped(NamedTuple):
    """A function in the table of cases."""

    function: Any
    arrays: tuple[str, ...]
    """Arguments that differ between the members of a batch."""
    scalars: dict[str, float] = {}  # noqa: RUF012
    """Options that change between calls without another compilation."""
    program: Any = None
    """What is compiled, if not the function itself."""


MAPPED = [
    Mapped(flow.align, ("source", "target"), {"smoothness": 0.05}),
    Mapped(flow.data_cost, ("source", "target"), program=flow.align),
    Mapped(flow.min_sum, ("data_cost",), {"smoothness": 0.1, "damping": 0.1, "tolerance": 1e-3}),
    Mapped(flow.soft_min_sum, ("data_cost",), {"smoothness": 0.1, "temperature": 0.1}),
    Mapped(flow.distance_transform, ("costs",), {"weight": 0.1, "shift": 0.5}),
    Mapped(flow.soft_distance_transform, ("costs",), {"weight": 0.1, "shift": 0.5, "temperature": 1.0}),
    Mapped(flow.sample, ("image", "points")),
    Mapped(flow.warp, ("image", "flow_px"), program=flow.sample),
    Mapped(descriptors.dense_sift, ("image",)),
    Mapped(descriptors.sift_at, ("image", "centers")),
    Mapped(ridge.fit, ("features", "targets"), {"penalty": 0.5}, solvers._fit_primal),
]


@pytest.mark.parametrize("mapped", MAPPED, ids=lambda mapped: mapped.function.__name__)
def test_a_batch_is_as_one_by_one_and_other_numbers_compile_nothing(mapped):
    case = next(case for case in cases() if case.function is mapped.function)
    members = [
        {name: jnp.roll(jnp.asarray(case.arrays[name]), i, 0) for name in mapped.arrays} for i in range(2)
    ]
    alone = [case.call(**member, **mapped.scalars) for member in members]
    batch = jax.tree.map(lambda *each: jnp.stack(each), *members)
    together = jax.vmap(lambda member: case.call(**member, **mapped.scalars))(batch)
    for i, member in enumerate(alone):
        for found, expected in zip(jax.tree.leaves(together), jax.tree.leaves(member), strict=True):
            np.testing.assert_allclose(found[i], expected, rtol=1e-4, atol=1e-4)
    program = mapped.program or mapped.function
    before = program._cache_size()
    for factor in (2, 3):
        case.call(**members[1], **{name: factor * value for name, value in mapped.scalars.items()})
    assert program._cache_size() == before


LONG = max(LONGEST_DENSE_LINE.values()) + 71


def _below(high, *shape):
    return np.random.default_rng(20150607).uniform(0, high, shape).astype(np.float32)


def _transform(penalty):
    return lambda costs, weight, shift, most: (
        flow.distance_transform(costs, weight=weight, penalty=penalty, shift=shift, truncation=most).values
    )


# The function, its arguments, the step and the tolerance; single precision leaves three digits of a difference.
GRADIENTS = {
    "soft_min_sum": (
        lambda costs, smoothness, temperature: (
            flow.soft_min_sum(costs, smoothness=smoothness, temperature=temperature, rounds=3).flow
        ),
        (_below(1, 2, 3, 3, 4), 0.1, 0.2),
        *(2e-3, 2e-2),
    ),
    # Piecewise smooth: the step stays within one piece at nearly every place.
    **{
        f"distance_transform, {penalty}, {length}": (
            _transform(penalty),
            (_below(5, 2, length), 0.23, 0.37, 1.3),
            *(1e-3, 2e-2),
        )
        for penalty in ("squared", "absolute")
        for length in (6, LONG)
    },
    "soft_distance_transform": (
        lambda costs, weight, shift, temperature: flow.soft_distance_transform(
            costs, weight=weight, axes=(0, 1), shift=shift, temperature=temperature
        ),
        (_below(2, 3, 7), 0.2, 0.3, 0.5),
        *(1e-2, 1e-2),
    ),
    # Clipping and binning make the difference of descriptors differ by a few per cent.
    "dense_sift": (
        lambda image: (
            128
            * descriptors.dense_sift(image, radius_px=8.0, stride_px=12.0, first_center_px=14.0, size=(2, 3))
        ),
        (_below(1, 40, 52),),
        *(1e-3, 5e-2),
    ),
    "sample": (flow.sample, (_below(1, 5, 6, 2), 0.1 + _below((4.8, 3.8), 7, 2)), *(1e-2, 1e-2)),
    "ridge.fit": (
        lambda features, penalty: ridge.fit(features, features[:, :2] ** 2, penalty=penalty).weights,
        (_below(3, 15, 4), 0.7),
        *(1e-2, 1e-2),
    ),
}


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradients_equal_finite_differences(name):
    function, arguments, step, close = GRADIENTS[name]
    arguments = [np.asarray(argument, np.float32) for argument in arguments]
    shape = jax.eval_shape(function, *arguments).shape
    readout = np.random.default_rng(1).normal(size=shape).astype(np.float32) / shape[-1]

    def read(*arguments):
        return (function(*arguments) * readout).sum()

    # Differences along random directions of all arguments.
    modes = ["rev"] if name == "soft_min_sum" else ["fwd", "rev"]
    check_grads(read, arguments, order=1, modes=modes, eps=step, atol=close, rtol=close)
