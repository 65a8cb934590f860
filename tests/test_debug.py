import jax
import jax.numpy as jnp
import numpy as np
import pytest

from convcorr_jax import debug, descriptors, flow, pose
from convcorr_jax.errors import InputError, NumericalError
from convcorr_jax.evaluation import evaluate
from convcorr_jax.linear import ridge
from tests.builders.numerical_cases import Case, cases, with_nan

CASES = cases()
# Operations of these compile in a second or two; those of the others in minutes, all together.
QUICK = ("flow.data_cost", "descriptors.unit_length", "linear.gram", "pose.gaussians")


def _equal(a, b):
    same = jax.tree.map(
        lambda x, y: np.array_equal(np.asarray(x), np.asarray(y), equal_nan=True), a, b
    )
    return jax.tree.all(same)


def _name(value):
    return value.name if isinstance(value, Case) else value


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, marks=() if case.name in QUICK else pytest.mark.slow) for case in CASES],
    ids=_name,
)
def test_valid_arguments_give_the_same_result(case):
    result = debug.checked(case.function)(**case.arrays, **case.options)
    leaves = [leaf for leaf in jax.tree.leaves(result) if isinstance(leaf, np.ndarray | jax.Array)]
    expected = [
        leaf for leaf in jax.tree.leaves(case.call()) if isinstance(leaf, np.ndarray | jax.Array)
    ]
    assert _equal(leaves, expected)


@pytest.mark.parametrize(
    ("case", "argument"),
    [(case, name) for case in CASES for name in case.arrays],
    ids=_name,
)
def test_nan_is_refused_by_name_unless_it_means_absent(case, argument):
    exempt = argument in debug.ABSENT.get(case.name, ())
    assert exempt or case.outcomes[argument] != "absent"
    if not exempt:
        changed = {**case.arrays, argument: with_nan(case.arrays[argument])}
        with pytest.raises(InputError, match=f"^{case.name}: {argument}.* is nan"):
            debug.checked(case.function)(**changed, **case.options)


def test_the_table_of_absent_values_names_functions_and_arguments_that_exist():
    known = {case.name: set(case.arrays) for case in CASES}
    unknown = {
        (name, argument)
        for name, arguments in debug.ABSENT.items()
        for argument in arguments
        if argument not in known.get(name, set())
    }
    assert unknown == {("descriptors.columns_at", "points")}
    assert "points" in descriptors.columns_at.__wrapped__.__annotations__


def _logarithm(x):
    return jnp.log(x - 5).sum()


def _quotient(x, y):
    return x / y


def _element(x, index):
    return x[index]


def _with_one(x, index):
    return x.at[index].set(1)


def _iterated(x):
    return jax.lax.fori_loop(0, 3, lambda _, v: jnp.log(v - 0.5), x)


def _scanned(x):
    return jax.lax.scan(lambda total, one: (total + one, jnp.sqrt(total - 1)), 0.0, x)


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        (_logarithm, (np.ones(3),), r"^_logarithm: NaN arises from numbers \(log, .*_logarithm"),
        (jax.jit(_logarithm), (np.ones(3),), "log, .*test_debug.py:[0-9]+, _logarithm"),
        (jax.vmap(_logarithm), (np.ones((2, 3)),), "NaN arises"),
        (jax.grad(_logarithm), (np.ones(3),), "NaN arises"),
        (_quotient, (np.ones(2), np.array([1.0, 0.0])), r"_quotient: a division by zero \(div, "),
        (_element, (np.ones(3), np.array(7)), "index 7 is out of bounds for axis 0 of length 3"),
        (_with_one, (np.ones(3), np.array(7)), "index 7 is out of bounds for axis 0 of length 3"),
        (_iterated, (np.array(1.0),), r"NaN arises from numbers \(log, "),
        (_scanned, (np.array([0.5, 2.0]),), r"NaN arises from numbers \(sqrt, "),
    ],
)
def test_what_goes_wrong_inside_is_named(function, arguments, message):
    arrays = [
        jnp.asarray(value, jnp.float32 if value.dtype.kind == "f" else jnp.int32)
        for value in arguments
    ]
    function(*arrays)
    with pytest.raises(NumericalError, match=message):
        debug.checked(function)(*arrays)


def _loops(x):
    def body(state):
        count, value = state
        return count + 1, jax.lax.cond(count % 2 == 0, jnp.sin, jnp.cos, value)

    count, value = jax.lax.while_loop(lambda state: state[1] > 3.0 - state[0], body, (0, x))
    total, steps = jax.lax.scan(lambda a, b: (a + b, a * b), value, jnp.arange(3.0), reverse=True)
    return count, total, steps


@pytest.mark.parametrize(
    ("function", "x"),
    [(_loops, 2.1), (jax.jit(_loops), 3.5), (jax.vmap(_loops), [2.1, 2.9, 3.5])],
)
def test_loops_and_branches_compute_what_they_compute_compiled(function, x):
    x = jnp.asarray(x)
    evaluation = evaluate(jax.make_jaxpr(function)(x), [x])
    assert evaluation.fault is None
    for ours, compiled in zip(evaluation.results, function(x), strict=True):
        np.testing.assert_allclose(ours, compiled, rtol=1e-6)


def test_nan_that_is_passed_on_is_no_fault():
    points = np.array([[[1.0, 2.0], [np.nan, np.nan]]], np.float32)
    case = next(case for case in CASES if case.function is pose.gaussians)
    maps = debug.checked(pose.gaussians)(points, **case.options)
    assert np.isnan(maps).any()


def test_inside_jit_the_function_is_itself():
    checked = jax.jit(debug.checked(_logarithm))
    assert np.isnan(checked(jnp.ones(3)))


def test_own_refusals_stay():
    with pytest.raises(InputError, match="penalty is -1"):
        debug.checked(ridge.fit)(jnp.eye(3), jnp.eye(3), penalty=-1.0)
    with pytest.raises(InputError, match="at least one cell"):
        debug.checked(flow.align)(jnp.zeros((0, 3, 2)), jnp.zeros((3, 3, 2)))


def test_infinity_and_names_of_parts_of_arguments():
    def total(parts, *, scale):
        return scale * parts["a"].sum()

    with pytest.raises(InputError, match=r"total: parts\['a'\] is inf at index \(1,\)"):
        debug.checked(total)({"a": np.array([0.0, np.inf])}, scale=1.0)
    with pytest.raises(InputError, match="total: scale is nan; finite"):
        debug.checked(total)({"a": np.zeros(2)}, scale=float("nan"))
    assert (
        debug.checked(total, absent=("parts",))({"a": np.array([0.0, np.inf])}, scale=1.0) == np.inf
    )
