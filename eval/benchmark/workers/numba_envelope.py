"""numba: Felzenszwalb and Huttenlocher's lower envelope of parabolas, compiled, rows and then columns."""

import numba  # pyrefly: ignore[missing-import]
import numpy as np

from eval.benchmark.workers.serving import Arrays, Task, serve

# In place of infinity, which fast-math code may not rely on.
FAR = 1e30


@numba.njit(fastmath=True, inline="always")
def _line(samples, out, vertex, border, height):
    """Transform one line; vertex, border and height are work arrays for its parabolas.

    ``height`` is f(p) + p^2, so that the parabolas of p and q cross at (h_q - h_p) / (2 (q - p)). In
    single precision p^2 would drown f(p) on long lines.
    """
    length = samples.shape[0]
    top = 0
    vertex[0] = 0
    height[0] = samples[0]
    border[0] = -FAR
    for q in range(1, length):
        h = samples[q] + q * q
        crossing = (h - height[top]) / (2 * (q - vertex[top]))
        while crossing <= border[top]:
            top -= 1
            crossing = (h - height[top]) / (2 * (q - vertex[top]))
        top += 1
        vertex[top] = q
        height[top] = h
        border[top] = crossing
    border[top + 1] = FAR
    at = 0
    for q in range(length):
        while border[at + 1] < q:
            at += 1
        distance = q - vertex[at]
        out[q] = distance * distance + samples[vertex[at]]


@numba.njit(parallel=True, fastmath=True)
def _transform(fields, rows_done, values):
    count, height, width = fields.shape
    longest = max(height, width)
    for i in numba.prange(count * height):
        vertex = np.empty(longest, np.int64)
        border = np.empty(longest + 1)
        height_of = np.empty(longest)
        _line(fields[i // height, i % height], rows_done[i // height, i % height], vertex, border, height_of)
    for i in numba.prange(count * width):
        vertex = np.empty(longest, np.int64)
        border = np.empty(longest + 1)
        height_of = np.empty(longest)
        _line(rows_done[i // width, :, i % width], values[i // width, :, i % width], vertex, border, height_of)


def prepare(inputs: Arrays) -> Task:
    """Allocate the arrays that all runs share."""
    fields = inputs["fields"]
    rows_done, values = np.empty_like(fields), np.empty_like(fields)
    numba.set_num_threads(int(inputs["threads"]))

    def run():
        _transform(fields, rows_done, values)
        return values

    return Task(run, lambda result: {"values": result})


if __name__ == "__main__":
    serve(prepare, packages=("numba",))
