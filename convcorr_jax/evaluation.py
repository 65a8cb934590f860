"""Run a traced function operation by operation, up to the first that goes wrong; see `convcorr_jax.debug`.

An operation goes wrong when its result has NaN although none of its operands has, when it divides by zero, or
when it reads or writes out of bounds, which XLA silently clamps or drops. Loops, branches and calls are
entered; other operations with programs inside, such as sorting, run as a whole.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal

# Where lines of JAX itself end and those of its caller begin.
_JAX = str(Path(jax.__file__).parent)


class Fault(NamedTuple):
    """The first operation that went wrong."""

    what: str
    """What is wrong."""
    operation: str
    """XLA's name of the operation."""
    place: str
    """The file, line and function that called it."""


class Evaluation(NamedTuple):
    """What a program computes, or why it does not."""

    results: list[Any]
    """The results of the program; empty if an operation went wrong."""
    fault: Fault | None
    """The first operation that went wrong, or None."""


class _Stop(Exception):
    def __init__(self, fault: Fault) -> None:
        self.fault = fault


def evaluate(program: ClosedJaxpr, arguments: Sequence[Any]) -> Evaluation:
    """Run a program operation by operation.

    Args:
        program: what `jax.make_jaxpr` returns.
        arguments: its arguments, arrays.
    """
    try:
        return Evaluation(_run(program.jaxpr, program.consts, arguments), None)
    except _Stop as stop:
        return Evaluation([], stop.fault)


def _run(jaxpr: Jaxpr, consts: Sequence[Any], arguments: Sequence[Any]) -> list[Any]:
    values: dict[Any, Any] = {}

    def read(atom: Any) -> Any:
        return atom.val if isinstance(atom, Literal) else values[atom]

    values.update(zip(jaxpr.constvars, consts, strict=True))
    values.update(zip(jaxpr.invars, arguments, strict=True))
    for equation in jaxpr.eqns:
        operands = [read(atom) for atom in equation.invars]
        results = _apply(equation, operands)
        values.update(zip(equation.outvars, results, strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def _closed(program: Any, operands: Sequence[Any]) -> list[Any]:
    """Run a program that may or may not come with its constants."""
    if hasattr(program, "consts"):
        return _run(program.jaxpr, program.consts, operands)
    return _run(program, (), operands)


def _apply(equation: Any, operands: list[Any]) -> list[Any]:
    params = equation.params
    match equation.primitive.name:
        case "while":
            return _while(params, operands)
        case "scan":
            return _scan(params, operands)
        case "cond":
            branches = params["branches"]
            chosen = int(np.clip(operands[0], 0, len(branches) - 1))
            return _closed(branches[chosen], operands[1:])
    inner = next((params[key] for key in _CALLS if key in params), None)
    if inner is not None and equation.primitive.name in _CALLERS:
        return _closed(inner, operands)
    if fault := _fault_before(equation.primitive.name, params, operands):
        raise _Stop(Fault(fault, equation.primitive.name, _place(equation)))
    result = equation.primitive.bind(*operands, **params)
    results = list(result) if equation.primitive.multiple_results else [result]
    if any(map(_has_nan, results)) and not any(map(_has_nan, operands)):
        raise _Stop(Fault("NaN arises from numbers", equation.primitive.name, _place(equation)))
    return results


# The names of parameters that hold the program of a call, and of the operations that only call it.
_CALLS = ("jaxpr", "call_jaxpr", "fun_jaxpr")
_CALLERS = {
    *("jit", "pjit", "closed_call", "core_call", "checkpoint", "remat", "remat2"),
    *("custom_jvp_call", "custom_vjp_call", "custom_vjp_call_jaxpr"),
}


def _while(params: dict[str, Any], operands: list[Any]) -> list[Any]:
    of_condition, of_body = params["cond_nconsts"], params["body_nconsts"]
    condition_consts = operands[:of_condition]
    body_consts = operands[of_condition : of_condition + of_body]
    state = operands[of_condition + of_body :]

    def goes_on(state: list[Any]) -> Any:
        return _closed(params["cond_jaxpr"], [*condition_consts, *state])[0]

    going = goes_on(state)
    while np.any(going):
        after = _closed(params["body_jaxpr"], [*body_consts, *state])
        # Under vmap the loop goes on until the last member has finished; the others keep their state.
        state = (
            after
            if not np.ndim(going)
            else [_where(going, *pair) for pair in zip(after, state, strict=True)]
        )
        going = goes_on(state)
    return state


def _where(going: Any, after: Any, before: Any) -> Any:
    return jnp.where(
        jnp.reshape(going, going.shape + (1,) * (after.ndim - going.ndim)), after, before
    )


def _scan(params: dict[str, Any], operands: list[Any]) -> list[Any]:
    consts, carried = params["num_consts"], params["num_carry"]
    state, sequences = operands[consts : consts + carried], operands[consts + carried :]
    steps = range(params["length"])
    outputs = []
    for step in reversed(steps) if params["reverse"] else steps:
        results = _closed(
            params["jaxpr"], [*operands[:consts], *state, *(values[step] for values in sequences)]
        )
        state = results[:carried]
        outputs.append(results[carried:])
    if params["reverse"]:
        outputs.reverse()
    if not outputs:
        shapes = [variable.aval for variable in params["jaxpr"].jaxpr.outvars[carried:]]
        return [*state, *(jnp.zeros((0, *shape.shape), shape.dtype) for shape in shapes)]
    return [*state, *(jnp.stack(column) for column in zip(*outputs, strict=True))]


def _has_nan(value: Any) -> bool:
    return jnp.issubdtype(jnp.result_type(value), np.inexact) and bool(jnp.isnan(value).any())


def _fault_before(name: str, params: dict[str, Any], operands: list[Any]) -> str | None:
    """Return what is wrong with the operands of an operation; None if nothing is."""
    if name in ("div", "rem") and bool((jnp.asarray(operands[1]) == 0).any()):
        return "a division by zero"
    if name == "gather" or name.startswith("scatter"):
        numbers, shape = params["dimension_numbers"], np.shape(operands[0])
        if name == "gather":
            axes, sizes = numbers.start_index_map, params["slice_sizes"]
        else:
            axes, sizes = numbers.scatter_dims_to_operand_dims, _window(numbers, operands)
        return _out_of_bounds(np.asarray(operands[1]), axes, sizes, shape)
    if name in ("dynamic_slice", "dynamic_update_slice"):
        shape = np.shape(operands[0])
        is_slice = name == "dynamic_slice"
        sizes = params["slice_sizes"] if is_slice else np.shape(operands[1])
        starts = np.stack([np.asarray(start) for start in operands[1 if is_slice else 2 :]])
        return _out_of_bounds(starts, range(len(shape)), sizes, shape)
    return None


def _window(numbers: Any, operands: list[Any]) -> list[int]:
    """Return the size, along each axis of the array, of what a scatter writes at each index."""
    inserted = {*numbers.inserted_window_dims, *numbers.operand_batching_dims}
    written = iter(numbers.update_window_dims)
    update = np.shape(operands[2])
    return [
        1 if axis in inserted else update[next(written)] for axis in range(np.ndim(operands[0]))
    ]


def _out_of_bounds(
    starts: np.ndarray, axes: Sequence[int], sizes: Sequence[int], shape: Sequence[int]
) -> str | None:
    if 0 in sizes:
        return None
    for column, axis in enumerate(axes):
        of_axis = starts[..., column]
        bad = of_axis[(of_axis < 0) | (of_axis > shape[axis] - sizes[axis])]
        if bad.size:
            return f"index {bad.flat[0]} is out of bounds for axis {axis} of length {shape[axis]}"
    return None


def _place(equation: Any) -> str:
    """Return the innermost line outside JAX that led to an operation."""
    trace = equation.source_info.traceback
    for frame in trace.frames if trace is not None else ():
        if not frame.file_name.startswith((_JAX, "<")) and "jaxtyping" not in frame.file_name:
            parts = Path(frame.file_name).parts[-3:]
            return f"{'/'.join(parts)}:{frame.line_num}, {frame.function_name}"
    return "unknown line"
