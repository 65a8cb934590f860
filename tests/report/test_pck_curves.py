import numpy as np

from convcorr_jax.report import pck_curves, pixels


def test_every_name_has_a_line_and_more_than_ten_are_told_apart():
    alphas = [0.0, 0.1, 0.5]
    many = {f"category {i}": [0.0, 0.02 * i, 0.04 * i] for i in range(12)}
    figure = pck_curves({"by category": many, "mean": {"a": [0, 0.5, 1]}}, alphas=alphas)
    first, second = figure.axes
    assert [line.get_label() for line in first.lines] == list(many)
    drawn = {(line.get_color(), line.get_linestyle()) for line in first.lines}
    assert len(drawn) == 12
    np.testing.assert_array_equal(first.lines[3].get_ydata(), many["category 3"])
    assert (first.get_xlim(), first.get_ylim()) == ((0.0, 0.5), (0.0, 1.0))
    assert (first.get_ylabel(), second.get_ylabel()) == ("PCK", "")
    assert [axes.get_title() for axes in figure.axes] == ["by category", "mean"]
    assert pixels(figure).std() > 10
