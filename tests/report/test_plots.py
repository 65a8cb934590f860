import numpy as np
import pytest

from convcorr_jax.report import pixels, plots


def texts(axes):
    return [one.get_text() for one in axes.texts]


def assert_nothing_is_cut_off(picture):
    for edge in (picture[0], picture[-1], picture[:, 0], picture[:, -1]):
        assert (edge == 255).all()


def test_curves_are_drawn_and_marked_where_they_are_highest():
    ys = {"conv4": [0.2, 0.6, 0.5], "sift_20": [0.5, 0.4, 0.3]}
    figure = plots.curves((0.1, 1.0, 10.0), ys, x_label="C", y_label="share", dashed=("sift_20",))
    (axes,) = figure.axes
    assert axes.get_xscale() == "log"
    drawn = {line.get_label(): line for line in axes.lines[::2]}
    marks = [tuple(line.get_xydata()[0]) for line in axes.lines[1::2]]
    assert {name: line.get_linestyle() for name, line in drawn.items()} == {"conv4": "-", "sift_20": "--"}
    for name, line in drawn.items():
        np.testing.assert_array_equal(line.get_ydata(), ys[name])
    assert marks == [(1.0, 0.6), (0.1, 0.5)]


def test_confusions_are_shares_of_their_rows():
    counts = np.array([[3, 1, 0], [0, 0, 0], [2, 0, 398]])
    figure = plots.confusions({"a": counts, "b": counts}, names=("eye", "ear", "nose"))
    for axes, title in zip(figure.axes, ("a", "b"), strict=True):
        assert axes.get_title() == title
        # What would be written as 0 is not; a type without samples has an empty row.
        assert texts(axes) == ["75", "25", "100"]
        np.testing.assert_allclose(axes.images[0].get_array()[1], 0)
    assert [one.get_text() for one in figure.axes[0].get_yticklabels()] == ["eye", "ear", "nose"]


@pytest.mark.parametrize("types", [2, 21, 60])
def test_confusions_of_any_number_of_types(types):
    picture = pixels(
        plots.confusions({"a": np.eye(types, dtype=int)}, names=[f"point {k}" for k in range(types)])
    )
    assert max(picture.shape) < 1300
    assert_nothing_is_cut_off(picture)


def test_a_place_is_drawn_where_it_lies():
    counts = np.zeros((21, 21), int)
    counts[10 + 4, 10 - 7] = 5
    figure = plots.place_histograms(
        {"conv4": {"nose": counts}, "sift_20": {"nose": counts}},
        captions={"conv4": {"nose": "sharp"}, "sift_20": {"nose": "blunt"}},
    )
    assert [axes.get_title() for axes in figure.axes] == ["nose, conv4", "nose, sift_20"]
    assert [axes.get_xlabel() for axes in figure.axes] == ["sharp", "blunt"]
    axes = figure.axes[0]
    picture = pixels(figure)
    height = picture.shape[0]
    x, y = axes.transData.transform((-7, 4))
    assert picture[round(height - y), round(x)].max() < 30
    x, y = axes.transData.transform((7, -4))
    assert picture[round(height - y), round(x)].min() == 255


def test_training_curves_have_a_line_a_name_and_a_title_a_phase():
    figure = plots.training_curves(
        {"e1": [(10, 4.0), (20, 2.0)], "e2": [(20, 3.0)]},
        {"cascade": [(10, 0.1), (20, 0.5)], "coarse": [(10, 0.2), (20, 0.3)]},
        dashed=("coarse",),
        phases={"coarse": 10, "fine": 20},
    )
    above, below = figure.axes
    assert above.get_yscale() == "log"
    assert texts(above) == ["coarse", "fine"]
    drawn = {line.get_label(): line for line in (*above.lines, *below.lines)}
    np.testing.assert_array_equal(drawn["e1"].get_xydata(), [(10, 4), (20, 2)])
    np.testing.assert_array_equal(drawn["coarse"].get_xydata(), [(10, 0.2), (20, 0.3)])
    assert (drawn["cascade"].get_linestyle(), drawn["coarse"].get_linestyle()) == ("-", "--")
    assert (pixels(figure)[0] == 255).all()


def test_training_curves_of_one_step_have_the_name_of_its_phase_above_the_axes():
    figure = plots.training_curves({"e1": [(1, 2.5)]}, {}, phases={"joint": 1})
    figure.draw_without_rendering()
    above = figure.axes[0]
    (name,) = above.texts
    frame = above.get_window_extent()
    assert frame.x0 < name.get_window_extent().x0 < name.get_window_extent().x1 < frame.x1
    assert frame.width > 100


def test_curves_have_their_values_and_intervals():
    values, intervals = {"mean": (0.2, 0.3)}, {"mean": ((0.1, 0.25), (0.2, 0.5))}
    figure = plots.interval_curves((0.0, 0.1), values, intervals, x_label="displacement", y_label="error")
    (axes,) = figure.axes
    assert axes.lines[0].get_xydata().tolist() == [[0.0, 0.2], [0.1, 0.3]]
    (band,) = axes.collections
    ends = {tuple(point) for point in band.get_paths()[0].vertices.round(6).tolist()}
    assert {(0.0, 0.1), (0.0, 0.25), (0.1, 0.2), (0.1, 0.5)} <= ends
    assert axes.get_ylim()[0] == 0
    assert pixels(figure).shape == (440, 640, 3)


def test_shares_stand_over_their_costs_with_their_intervals():
    places, intervals = {"a": (3.0, 0.4), "b": (30.0, 0.5)}, {"a": (0.3, 0.45), "b": (0.45, 0.6)}
    (axes,) = plots.shares_over_costs(places, intervals, x_label="ms", y_label="PCK").axes
    assert axes.get_xscale() == "log"
    for container, name in zip(axes.containers, places, strict=True):
        point, _, (bar,) = container
        assert point.get_xydata().tolist() == [list(places[name])]
        np.testing.assert_allclose(bar.get_segments()[0][:, 1], intervals[name])


def test_every_share_stands_over_its_error():
    shares = {"nose": np.array([0.1, 0.7, 0.2]), "wrist": np.array([0.3, 0.4, 0.3])}
    figure = plots.error_histograms(
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
    assert_nothing_is_cut_off(pixels(figure))


def test_every_name_has_a_line_and_more_than_ten_are_told_apart():
    alphas = [0.0, 0.1, 0.5]
    many = {f"category {i}": [0.0, 0.02 * i, 0.04 * i] for i in range(12)}
    figure = plots.pck_curves({"by category": many, "mean": {"a": [0, 0.5, 1]}}, alphas=alphas)
    first, second = figure.axes
    assert [line.get_label() for line in first.lines] == list(many)
    assert len({(line.get_color(), line.get_linestyle()) for line in first.lines}) == 12
    np.testing.assert_array_equal(first.lines[3].get_ydata(), many["category 3"])
    assert (first.get_xlim(), first.get_ylim()) == ((0.0, 0.5), (0.0, 1.0))
    assert (first.get_ylabel(), second.get_ylabel()) == ("PCK", "")
    assert [axes.get_title() for axes in figure.axes] == ["by category", "mean"]
    assert pixels(figure).std() > 10


def test_a_curve_shows_every_number_of_images():
    figure = plots.learning_curve(
        [10, 100], {"ours": [0.3, 0.2]}, published=("paper", 1000, 0.1), y_label="error"
    )
    axes = figure.axes[0]
    assert axes.get_xticks().tolist() == [10, 100, 1000]
    assert axes.get_ylim()[0] == 0
    assert axes.get_legend_handles_labels()[1] == ["ours", "paper"]
    assert pixels(figure).shape[1] > 500
