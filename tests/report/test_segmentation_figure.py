import numpy as np

from convcorr_jax.report import Segmented, label_colors, learning_curve, pixels, segmentation_figure


def test_every_class_has_a_color_of_its_own():
    """Even of VOC's twenty the two nearest can be told apart, from each other and from black and white."""
    names = ["background", *(f"class {k}" for k in range(20))]
    labels = np.array([[*range(21), 255]], np.uint8)
    colors = label_colors(labels, names)[0].astype(float)
    apart = np.linalg.norm(colors[:, None] - colors[None], axis=-1)
    assert apart[~np.eye(22, dtype=bool)].min() > 40
    # A data set without a background has no black class.
    assert (label_colors(np.zeros((1, 1), np.uint8), ["sky"]) > 0).any()


def test_a_row_shows_photograph_maps_and_responses(rng):
    responses = np.zeros((40, 60, 2))
    responses[..., 1] = 2.0
    one = Segmented(
        rng.integers(0, 256, (40, 60, 3), np.uint8),
        np.zeros((40, 60), np.uint8),
        np.ones((40, 60), np.uint8),
        responses,
    )
    picture = pixels(segmentation_figure([one, one], ["background", "cat"], cell_px=60))
    height, width = picture.shape[:2]
    assert width > 5 * 60
    assert 2 * 40 < height < 3 * 60
    # The last two cells: no response is black, more than 1 is white.
    row = picture[height // 3]
    assert (row[width - 100 : width - 80] == 0).all()
    assert (row[width - 40 : width - 20] == 255).all()


def test_a_curve_shows_every_number_of_images():
    figure = learning_curve([10, 100], {"ours": [0.3, 0.2]}, published=("theirs", 1000, 0.1), y_label="error")
    axes = figure.axes[0]
    assert axes.get_xticks().tolist() == [10, 100, 1000]
    assert axes.get_ylim()[0] == 0
    assert axes.get_legend_handles_labels()[1] == ["ours", "theirs"]
    assert pixels(figure).shape[1] > 500
