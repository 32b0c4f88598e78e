"""Figures: they say what the data say, hold for any label set, and leave no trace in matplotlib's global state."""

from __future__ import annotations

import io
import re
import warnings

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tagging_lib.report import figures
from tagging_lib.report.figures import style
from tagging_lib.report.figures import training as figures_training
from tagging_lib.report.figures.photos import as_image

AWKWARD = ("$x_1$", "_hidden", "a\nb\tc", "", "100% {x} \\frac", "<script>", "n" * 200, "$")


@pytest.fixture(autouse=True)
def strict():
    """A warning of matplotlib (a glyph, a layout that collapsed) is a defect of the figure."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def png(figure, dpi=30) -> Image.Image:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    return Image.open(buffer)


def texts(figure) -> list[str]:
    figure.draw_without_rendering()
    return [t.get_text() for t in figure.findobj(mpl.text.Text) if t.get_visible() and t.get_text()]


def answers(labels: int, photos: int = 50, seed: int = 0):
    random = np.random.default_rng(seed)
    targets = (random.random((photos, labels)) < random.random(labels) * 0.5).astype(np.uint8)
    return targets, np.where(random.random(targets.shape) < 0.8, targets, 1 - targets).astype(np.uint8)


def label_names(count: int) -> list[str]:
    return sorted([*AWKWARD, *(f"label {i}" for i in range(count))][:count])


def report(targets, predictions, labels) -> pd.DataFrame:
    hits, said, there = (targets & predictions).sum(0), predictions.sum(0), targets.sum(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return pd.DataFrame(
            {
                "label": labels,
                "precision": hits / said,
                "recall": hits / there,
                "f1": 2 * hits / (said + there),
                "support": there,
                "predicted": said,
            }
        )


@pytest.mark.parametrize("count", [1, 2, 3, 14, 200])
def test_any_number_of_labels_with_any_names(count):
    targets, predictions = answers(count)
    targets[:, 0] = predictions[:, 0] = 0  # a label that never occurs
    labels = label_names(count)
    together = targets.astype(np.int64).T @ targets.astype(np.int64)
    with np.errstate(invalid="ignore"):
        shares = together / np.diag(together)[:, None]
    balance = pd.DataFrame({"label": [*labels, "no label"], **dict.fromkeys(("train", "validation", "test"), 0.1)})
    drawn = [
        figures.photos_per_label(targets, labels),
        figures.labels_per_photo(targets),
        figures.cooccurrence(together, labels),
        figures.cooccurrence(shares, labels),
        figures.split_balance(balance),
        figures.pos_weights(labels, np.linspace(0.2, 200, count)),
        figures.confusion_grid(targets, predictions, labels),
        figures.per_label_bars(report(targets, predictions, labels)),
    ]
    for figure in drawn:
        image = png(figure)
        assert abs(image.width - 9.5 * 30) <= 1
        assert np.asarray(image.convert("L")).std() > 1
        assert figure.heading


def test_height_grows_with_the_labels():
    heights = [figures.photos_per_label(answers(n)[0], label_names(n)).get_figheight() for n in (3, 14, 40)]
    assert heights == sorted(heights) and heights[-1] > 2 * heights[1]
    grids = [figures.confusion_grid(*answers(n), label_names(n)).get_figheight() for n in (4, 14, 40)]
    assert grids == sorted(grids) and grids[-1] > 2 * grids[1]


def test_no_text_is_smaller_than_nine_points_or_outside_the_page():
    targets, predictions = answers(14)
    labels = label_names(14)
    together = targets.astype(np.int64).T @ targets.astype(np.int64)
    for figure in (
        figures.photos_per_label(targets, labels),
        figures.cooccurrence(together, labels),
        figures.confusion_grid(targets, predictions, labels),
        figures.per_label_bars(report(targets, predictions, labels)),
        figures.forest(headline()),
    ):
        figure.draw_without_rendering()
        for text in figure.findobj(mpl.text.Text):
            if text.get_visible() and text.get_text().strip():
                assert text.get_fontsize() >= 9, text.get_text()
        box = figure.get_tightbbox()
        assert box.x0 >= -0.02 and box.x1 <= figure.get_figwidth() + 0.02
        assert box.y0 >= -0.02 and box.y1 <= figure.get_figheight() + 0.02


def test_dollar_signs_are_shown_not_typeset():
    assert mpl.text.Text(text=style.written("$x_1$ and $"))._preprocess_math(style.written("$x_1$ and $")) == (
        "$x_1$ and $",
        False,
    )
    figure = figures.photos_per_label(np.array([[1], [0]]), ["$\\nosuchcommand{"])
    assert any(r"\$\nosuchcommand{" in text for text in texts(figure))


def test_titles_say_what_the_data_say():
    targets = np.zeros((200, 2), dtype=np.uint8)
    targets[:80, 0] = targets[:20, 1] = 1
    title = figures.photos_per_label(targets, ["cat", "dog"]).heading
    assert title == "“cat” is on 40 % of the photos, “dog” on 20 of 200: one label is 4 times as frequent as the other"
    assert figures.labels_per_photo(targets).heading == (
        "60 % of the photos carry no label; those that do carry 1.2 on average, and 2 at most"
    )
    counts = targets.astype(int).T @ targets.astype(int)
    assert figures.cooccurrence(counts, ["cat", "dog"]).heading == "“cat” and “dog” meet most often: on 20 photos"
    shares = counts / np.diag(counts)[:, None]
    assert figures.cooccurrence(shares, ["cat", "dog"]).heading == "Of the photos with “dog”, 100 % show “cat” too"
    pixels = np.full((3, 4, 4, 3), (200, 100, 50), dtype=np.uint8)
    assert figures.channel_histograms(pixels, np.arange(3)).heading.startswith("Red is the strongest")


def numbers(figure) -> list[list[str]]:
    """Counts and percentages of each 2×2 table, in the order tn, fp, fn, tp."""
    found = [text.get_text() for text in figure.axes[0].texts]
    found = [text for text in found if re.fullmatch(r"(< )?[\d.,]+( %)?", text)]
    return [found[i : i + 8] for i in range(0, len(found), 8)]


def test_confusion_grid_counts_each_answer_and_the_unlabelled():
    targets = np.array([[1, 0], [1, 0], [0, 0], [0, 0], [0, 1]], dtype=np.uint8)
    predictions = np.array([[1, 0], [0, 0], [0, 0], [1, 0], [0, 1]], dtype=np.uint8)
    figure = figures.confusion_grid(targets, predictions, ["a", "b"])
    cells = numbers(figure)
    assert cells[0] == ["2", "40 %", "1", "20 %", "1", "20 %", "1", "20 %"]  # label a: tn fp fn tp
    assert cells[1] == ["4", "80 %", "0", "0 %", "0", "0 %", "1", "20 %"]
    assert cells[2] == ["2", "40 %", "1", "20 %", "1", "20 %", "1", "20 %"]  # unlabelled: photos 2 and 3; said of 1 and 2
    assert "unlabelled" in texts(figure)


def test_confusion_grid_of_the_original(reference_predictions):
    truth = np.loadtxt(reference_predictions / "resnet152.truth.txt", dtype=np.uint8)
    given = np.loadtxt(reference_predictions / "resnet152.pred.txt", dtype=np.uint8)
    figure = figures.confusion_grid(truth, given, [f"label {i:02}" for i in range(14)])
    assert numbers(figure)[14][::2] == ["1,724", "261", "349", "1,666"]


def headline() -> pd.DataFrame:
    nan = float("nan")
    rows = [
        ("constant", "Constant answer", "none", 0.316, 0.304, 0.328, nan),
        ("ffn1", "Feed forward", "all", 0.251, 0.24, 0.262, 0.245),
        ("a", "Network A", "all", 0.745, 0.735, 0.755, 0.749),
        ("b", "Network $B$", "head", 0.75, 0.74, 0.76, nan),
        ("c", "Network C", "last-stage", 0.7, 0.69, 0.71, 0.69),
    ]
    return pd.DataFrame(rows, columns=["row", "title", "trained", "micro_f1", "low", "high", "original_f1"])


def test_forest_has_every_row_its_interval_the_original_and_the_constant():
    figure = figures.forest(headline())
    axes = figure.axes[0]
    assert figure.heading == (
        "Network $B$ scores best, with F1 0.750; the intervals of 1 other row overlap its own; "
        "1 row scores below a constant answer"
    )
    assert [tick.get_text() for tick in axes.get_yticklabels()] == [
        r"Network \$B\$",
        "Network A",
        "Network C",
        "Constant answer",
        "Feed forward",
    ]
    lines = {tuple(map(float, line.get_xdata())) for line in axes.lines}
    assert {(0.304, 0.328), (0.24, 0.262), (0.735, 0.755), (0.74, 0.76), (0.69, 0.71)} <= lines
    assert (0.316, 0.316) in lines  # the constant's line
    hollow = sorted(float(line.get_xdata()[0]) for line in axes.lines if line.get_marker() == "v" and len(line.get_xdata()))
    assert hollow == [0.245, 0.69, 0.749]
    assert "0.745  [0.735, 0.755]" in texts(figure)


def test_a_long_name_of_a_row_stands_whole_in_the_forest_and_in_its_title():
    long = "MobileNet-V1 at 224 px, last stage, the backbone as fast as the head"
    figure = figures.forest(headline().assign(title=lambda table: table.title.replace("Network $B$", long)))
    assert figure.heading.startswith(f"{long} scores best")
    assert figure.axes[0].get_yticklabels()[0].get_text().replace("\n", " ") == long


@pytest.mark.parametrize("rows", [0, 1, 40])
def test_forest_of_few_and_many_rows(rows):
    table = pd.concat([headline().iloc[2:3]] * rows) if rows else headline().iloc[:0]
    png(figures.forest(table))
    if rows:
        png(figures.forest(table.assign(low=np.nan, high=np.nan).drop(columns=["original_f1", "trained", "row"])))


def history(epochs: int) -> pd.DataFrame:
    epoch = np.arange(1, epochs + 1)
    f1 = 0.7 - 0.01 * (epoch - 3) ** 2
    return pd.DataFrame({"epoch": epoch, "train_loss": 1 / epoch, "train_f1": f1, "validation_loss": 1.0, "validation_f1": f1})


def test_learning_curves_name_the_best_epoch_and_the_constant():
    figure = figures.learning_curves(history(5), "ResNet", constant_f1=0.9)
    assert figure.heading == "ResNet: validation F1 peaks at 0.700 in epoch 3 of 5"
    assert "Below a constant answer, which scores 0.900" in texts(figure)
    assert any(list(line.get_ydata()) == [0.9, 0.9] for line in figure.axes[0].lines)
    for table in (history(1), history(0), history(3).assign(validation_f1=np.nan)):
        png(figures.learning_curves(table, "$row$"))


def test_overfitting_has_a_panel_for_each_row_and_names_the_widest_gap():
    learnt = history(5).assign(train_f1=lambda table: table.validation_f1 + 0.2)
    rows = {"by heart": learnt, "$plain$ " + "long name " * 9: history(2), "never": history(0), "3": history(3), "4": history(8)}
    figure = figures.overfitting(rows, constant_f1=0.3)
    assert figure.heading.startswith("Train minus validation F1 is +0.200 for by heart, +0.000 for ")
    panels = [axes for axes in figure.axes if axes.lines]
    assert len(panels) == 4 and len({axes.get_ylim() for axes in panels}) == 1
    assert all([0.3, 0.3] in [list(line.get_ydata()) for line in axes.lines] for axes in panels)
    png(figure)
    assert figures.overfitting({"one": history(4)}).heading == "Train minus validation F1 is +0.000 for one"
    png(figures.overfitting({"one": history(3).assign(validation_f1=np.nan)}))
    once = figures.overfitting({"one": history(1)})
    assert [tick for tick in once.axes[0].get_xticks() if 0.5 <= tick <= 1.5] == [1]
    png(figures.overfitting({}))


def test_threshold_curves_mark_the_choice_and_its_plateau():
    grid = np.round(np.arange(0.05, 0.96, 0.05), 2)
    f1 = np.where((grid >= 0.55) & (grid <= 0.8), 0.757, 0.6)
    f1[grid == 0.65] = 0.759
    sweep = pd.DataFrame({"threshold": grid, "f1": f1, "precision": grid, "recall": 1 - grid})
    figure = figures.threshold_curves(sweep)
    assert figures_training.PLATEAU == 0.004
    assert figure.heading == (
        "Threshold 0.65 gives F1 0.759; the grid's thresholds from 0.55 to 0.80 come within 0.004 of the best"
    )
    assert figures.threshold_curves(sweep, sweep, 0.5).heading.startswith("Threshold 0.50 gives F1 0.600")
    png(figures.threshold_curves(sweep.assign(f1=np.nan, precision=np.nan)))


def test_photo_figures_take_any_number_of_photos():
    pixels = np.random.default_rng(0).integers(0, 256, (20, 16, 16, 3), dtype=np.uint8)
    for count in (0, 1, 7, 20):
        captions = [("$caption$ " * i)[:300] for i in range(count)]
        png(figures.photo_grid(pixels, np.arange(count), captions, "Title", columns=6))
    png(figures.photos_by_label(pixels, {label: range(i) for i, label in enumerate(label_names(8))}))
    many = figures.photos_by_label(pixels, {f"label {i}": [0] * 7 for i in range(200)})
    assert many.get_figheight() < 70 and "The first 40 of 200 labels" in texts(many)
    png(figures.photos_by_label(pixels, {}))


def test_as_image_takes_every_form_of_a_picture():
    torch = pytest.importorskip("torch")
    picture = np.random.default_rng(1).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    floats = picture.astype(np.float32) / 255
    for form in (picture, floats, np.moveaxis(floats, -1, 0), torch.from_numpy(floats).permute(2, 0, 1)):
        np.testing.assert_array_equal(as_image(form), picture)
    assert as_image(np.full((2, 2, 3), np.nan)).max() == 0
    png(figures.augmentation_gallery({"original": torch.rand(4, 3, 8, 8), "flip": torch.rand(4, 3, 8, 8)}))


def shown(figure) -> list[int]:
    """The red value of each picture in the figure, in the order in which they were drawn."""
    return [int(image.get_array()[0, 0, 0]) for image in figure.axes[0].images]


def test_galleries_show_the_most_confident_first():
    pixels = np.zeros((8, 4, 4, 3), dtype=np.uint8) + np.arange(8, dtype=np.uint8)[:, None, None, None]
    probabilities = np.array([0.5, 0.9, 0.2, 0.6])
    rows = np.array([4, 5, 6, 7])
    figure = figures.label_gallery(pixels, rows, np.array([1, 1, 1, 0]), probabilities, 0.5, "dog")
    # At least 0.5 is given: photo 4 stands exactly on the threshold and is a true positive.
    assert shown(figure) == [5, 4, 7, 6]
    assert figure.heading == "“dog”: 2 of 3 photos found, 1 said in error"
    assert "no photo" in texts(figure)  # there is no true negative


def test_one_colour_per_label_in_every_order():
    labels = ["tree", "baby", "car"]
    assert style.label_colors(labels) == style.label_colors(sorted(labels))
    assert style.label_colors(sorted(labels)) == {label: style.label_color(i) for i, label in enumerate(sorted(labels))}
    targets = np.array([[1, 0, 0], [1, 1, 0]])
    bars = figures.photos_per_label(targets, sorted(labels)).axes[0].patches
    assert mpl.colors.to_hex(bars[0].get_facecolor()) == style.label_color(0)  # baby is the most frequent


def test_label_colours_differ_for_colour_blind_readers():
    # Machado, Oliveira and Fernandes (2009), severity 1.0: protanopia and deuteranopia, in linear RGB.
    views = [
        np.eye(3),
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    ]
    rgb = np.array([mpl.colors.to_rgb(color) for color in style.LABEL_COLORS])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    to_lms = [[0.4122, 0.5363, 0.0514], [0.2119, 0.6807, 0.1074], [0.0883, 0.2817, 0.63]]
    to_lab = [[0.2105, 0.7936, -0.0041], [1.978, -2.4286, 0.4506], [0.0259, 0.7828, -0.8087]]
    for view in views:
        lab = np.cbrt(np.clip(linear @ np.transpose(view), 0, 1) @ np.transpose(to_lms)) @ np.transpose(to_lab)
        distance = np.linalg.norm(lab[:, None] - lab[None], axis=-1)[np.triu_indices(len(lab), 1)]
        assert distance.min() > 0.05  # about five steps that a reader can just tell apart


def test_figures_show_themselves_in_jupyter_and_touch_no_global_state():
    before = dict(mpl.rcParams)
    figure = figures.labels_per_photo(np.array([[1], [0]]))
    assert dict(mpl.rcParams) == before
    from matplotlib import pyplot

    assert not pyplot.get_fignums()
    formatter = pytest.importorskip("IPython.core.formatters").DisplayFormatter()
    data, metadata = formatter.format(figure)
    image = Image.open(io.BytesIO(data["image/png"]))
    assert image.width == round(9.5 * style.SCREEN_DPI)
    assert metadata["image/png"] == {"width": 912, "alt": figure.heading, "photos": False, "saved_as": ""}


def test_equal_figures_give_equal_files():
    def drawn(kind):
        buffer = io.BytesIO()
        figures.photos_per_label(*(answers(5)[0], label_names(5))).savefig(buffer, format=kind, bbox_inches="tight", dpi=150)
        return buffer.getvalue()

    assert drawn("svg") == drawn("svg") and b"<dc:date>" not in drawn("svg")
    assert abs(Image.open(io.BytesIO(drawn("png"))).width - 9.7 * 150) < 16  # a tight box keeps the page's width


def test_empty_parts_say_so():
    nothing = np.zeros((0, 3), dtype=np.uint8)
    for figure in (
        figures.photos_per_label(nothing, ["a", "b", "c"]),
        figures.labels_per_photo(nothing),
        figures.cooccurrence(np.zeros((1, 1), dtype=int), ["a"]),
        figures.confusion_grid(nothing, nothing, ["a", "b", "c"]),
        figures.channel_histograms(np.zeros((0, 4, 4, 3), dtype=np.uint8), np.arange(0)),
    ):
        png(figure)


def test_a_page_holds_256_colours_of_a_figure_and_all_of_a_photo():
    tints = np.random.default_rng(0).random((4, 40, 40, 3))
    colourful = figures.augmentation_gallery({"original": tints})
    plain = style.sheet("Without photos", 1)
    plain.add_subplot().imshow(np.linspace(0, 1, 4000).reshape(50, 80), cmap="viridis", interpolation="bicubic")
    shown = {}
    for figure in (colourful, plain):
        content, about = figure._repr_png_()
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=style.SCREEN_DPI)
        page, whole = (Image.open(io.BytesIO(each)).convert("RGB") for each in (content, buffer.getvalue()))
        shown[about["photos"]] = len(page.getcolors(10**6))
        assert page.size == whole.size
        if figure is plain:
            assert len(whole.getcolors(10**6)) > 256 and len(content) < 0.6 * len(buffer.getvalue())
            far = np.abs(np.asarray(page, dtype=int) - np.asarray(whole)).max(-1)
            assert np.quantile(far, 0.999) <= 12
    assert shown[True] > 1000 and shown[False] <= 256
