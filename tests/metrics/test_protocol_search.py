import numpy as np
import pytest

from convcorr_jax.errors import InputError
from convcorr_jax.metrics import (
    KeypointTruth,
    ProtocolChoices,
    matching_figures,
    nearest_figures,
    protocol_grid,
    published_figure,
)


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(1)
    truth = KeypointTruth(
        points=rng.uniform(0, 100, (40, 5, 2)),
        boxes=np.tile([0.0, 0.0, 100.0, 80.0], (40, 1)),
        groups=tuple("abcd" * 10),
    )
    return protocol_grid(truth, truth.points + rng.normal(0, 9, truth.points.shape))


@pytest.mark.parametrize(
    ("text", "value", "tolerance"),
    [
        ("0.701", 0.701, 0.0005),
        ("0.7010", 0.701, 0.00005),
        (".70", 0.7, 0.005),
        ("70.1", 0.701, 0.0005),
        ("70.1%", 0.701, 0.0005),
        ("0.9 %", 0.009, 0.0005),
        ("88", 0.88, 0.005),
        ("1", 1.0, 0.5),
        ("100", 1.0, 0.005),
        ("88.4257", 0.884257, 0.0000005),
    ],
)
def test_the_digits_decide_the_rounding(text, value, tolerance):
    figure = published_figure(text)
    assert (figure.value, figure.tolerance) == pytest.approx((value, tolerance), rel=1e-12)


@pytest.mark.parametrize("text", ["", "a", "-0.1", "0,7", "100.1", "nan", "1e-1", "%", ".", "7 0"])
def test_what_is_no_figure_is_refused(text):
    with pytest.raises(InputError, match="is no figure of PCK"):
        published_figure(text)


@pytest.mark.parametrize("form", ["{:.3f}", "{:.1f}%", "{:.2f}%", "{:.6f}"])
def test_every_figure_of_the_grid_is_found_again(rows, form):
    for row in rows:
        for alpha, value in zip(row.alphas, row.values, strict=True):
            text = form.format(100 * value if "%" in form else value)
            found = matching_figures(rows, published_figure(text))
            assert (row.choices, alpha) in [(match.row.choices, match.alpha) for match in found]
            for match in found:
                shown = 100 * match.value if "%" in form else match.value
                # Python rounds a half to the even digit, others away from zero.
                assert abs(shown - float(text.removesuffix("%"))) <= 0.5000001 * 10 ** -len(
                    text.removesuffix("%").partition(".")[2]
                )


def test_a_half_is_rounded_to_both_sides(rows):
    row = rows[0]._replace(alphas=(0.1,), values=(0.7005,))
    for text in ("0.700", "0.701", "70.0", "70.1"):
        assert len(matching_figures([row], published_figure(text))) == 1
    for text in ("0.702", "0.699", "0.7004"):
        assert matching_figures([row], published_figure(text)) == []


def test_protocols_near_the_default_are_first(rows):
    default = ProtocolChoices("box", average="image", grouped=True)
    figure = published_figure("100")
    perfect = [row._replace(values=(1.0,), alphas=(0.1,)) for row in rows]
    found = matching_figures(perfect, figure, default=default)
    assert len(found) == len(rows)
    assert found[0].row.choices == default
    changes = [sum(a != b for a, b in zip(one.row.choices, default, strict=True)) for one in found]
    assert changes == sorted(changes)


def test_the_nearest_are_those_with_the_least_difference(rows):
    figure = published_figure("0.55555")
    found = nearest_figures(rows, figure, count=4)
    everything = sorted(abs(value - figure.value) for row in rows for value in row.values)
    assert [abs(match.difference) for match in found] == pytest.approx(everything[:4])
    unknown = rows[0]._replace(values=(float("nan"),) * len(rows[0].values))
    assert nearest_figures([unknown, *rows, unknown], figure, count=4) == found
