import numpy as np

from convcorr_jax.report import error_histograms, pixels


def test_every_share_stands_over_its_error():
    shares = {"nose": np.array([0.1, 0.7, 0.2]), "wrist": np.array([0.3, 0.4, 0.3])}
    figure = error_histograms(
        {"coarse": shares, "cascade": {"nose": shares["wrist"]}},
        errors_px=np.array([-1, 0, 1]),
        x_label="error in x (px)",
    )
    first, second = figure.axes
    assert [axes.get_title() for axes in figure.axes] == ["coarse", "cascade"]
    drawn = {one.get_label(): one.get_data() for one in first.patches}
    assert list(drawn) == list(shares)
    np.testing.assert_array_equal(drawn["nose"].values, shares["nose"])
    np.testing.assert_array_equal(drawn["nose"].edges, [-1.5, -0.5, 0.5, 1.5])
    assert first.get_ylim() == second.get_ylim()
    picture = pixels(figure)
    for edge in (picture[0], picture[-1], picture[:, 0], picture[:, -1]):
        assert (edge == 255).all()
