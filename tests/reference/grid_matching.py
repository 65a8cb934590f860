"""The flow's energy, and simple minimizers of it in NumPy that are slow or weak.

Costs are ``[h_s, w_s, h_t, w_t]``; a labelling ``[h_s, w_s, 2]`` holds target cells (x, y).
"""

import itertools

import numpy as np


def energy(costs: np.ndarray, labels: np.ndarray, *, smoothness: float) -> tuple[float, float]:
    """Sum data and smoothness terms, edge by edge."""
    height, width = costs.shape[:2]
    data = rough = 0.0
    for y, x in itertools.product(range(height), range(width)):
        data += costs[y, x, labels[y, x, 1], labels[y, x, 0]]
        for v, u in ((y, x + 1), (y + 1, x)):
            if v < height and u < width:
                difference = (labels[y, x] - (x, y)) - (labels[v, u] - (u, v))
                rough += smoothness * float(difference @ difference)
    return float(data), rough


def min_marginals(costs: np.ndarray, *, smoothness: float) -> tuple[float, np.ndarray]:
    """Find the least energy, and the least energy with each label fixed, by enumeration of all labellings."""
    height, width, target_height, target_width = costs.shape
    cells = list(itertools.product(range(height), range(width)))
    labels = list(itertools.product(range(target_height), range(target_width)))
    # One axis of energies a cell, in the order of `cells`.
    total = np.zeros((len(labels),) * len(cells))
    for i, (y, x) in enumerate(cells):
        unary = np.array([costs[y, x, t, s] for t, s in labels])
        total += unary.reshape([-1 if k == i else 1 for k in range(len(cells))])
        for j, (v, u) in enumerate(cells):
            if (v, u) in ((y, x + 1), (y + 1, x)):
                flow_i = np.array([(t - y, s - x) for t, s in labels])
                flow_j = np.array([(t - v, s - u) for t, s in labels])
                pair = smoothness * ((flow_i[:, None] - flow_j[None]) ** 2).sum(axis=2)
                total += pair.reshape([len(labels) if k in (i, j) else 1 for k in range(len(cells))])
    marginals = np.empty_like(costs)
    for i, (y, x) in enumerate(cells):
        others = tuple(k for k in range(len(cells)) if k != i)
        marginals[y, x] = total.min(axis=others).reshape(target_height, target_width)
    return float(total.min()), marginals


def iterated_conditional_modes(costs: np.ndarray, *, smoothness: float) -> np.ndarray:
    """Give each cell in turn its best label for its neighbours' labels, until a whole pass changes none."""
    height, width, target_height, target_width = costs.shape
    best = costs.reshape(height, width, -1).argmin(axis=2)
    labels = np.stack([best % target_width, best // target_width], axis=-1)
    rows, columns = np.mgrid[:target_height, :target_width]
    changed = True
    while changed:
        changed = False
        for y, x in itertools.product(range(height), range(width)):
            local = costs[y, x].astype(float).copy()
            for v, u in ((y, x - 1), (y, x + 1), (y - 1, x), (y + 1, x)):
                if 0 <= v < height and 0 <= u < width:
                    drawn = labels[v, u] - (u, v) + (x, y)
                    local += smoothness * ((columns - drawn[0]) ** 2 + (rows - drawn[1]) ** 2)
            row, column = np.unravel_index(local.argmin(), local.shape)
            if local[row, column] < local[labels[y, x, 1], labels[y, x, 0]] - 1e-9:
                labels[y, x] = column, row
                changed = True
    return labels


def log_partition_marginals(costs: np.ndarray, *, smoothness: float, temperature: float) -> np.ndarray:
    """Compute marginals of ``exp(-E / temperature)`` of a chain (one row), by sums over all labellings."""
    _, width, target_height, target_width = costs.shape
    labels = np.array(list(itertools.product(range(target_width), range(target_height))))
    marginals = np.zeros_like(costs, dtype=float)
    for choice in itertools.product(range(len(labels)), repeat=width):
        labelling = labels[list(choice)][None]
        weight = np.exp(-sum(energy(costs, labelling, smoothness=smoothness)) / temperature)
        for x, (column, row) in enumerate(labelling[0]):
            marginals[0, x, row, column] += weight
    return marginals / marginals.sum(axis=(2, 3), keepdims=True)
