from __future__ import annotations

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from vlprompt_pipeline.reports.summary_report.drawing import svg
from vlprompt_pipeline.reports.summary_report.figures import figures
from vlprompt_pipeline.reports.summary_report.label_placement import label_points
from vlprompt_pipeline.reports.summary_report.size_axes import pareto_front
from vlprompt_pipeline.reports.summary_report.summary import summarise
from vlprompt_pipeline.results.groups import group_records, read_records


def drawn(records) -> dict[str, Figure]:
    (group,) = group_records(read_records(records)[0])
    return figures(summarise(group))


def test_pareto_front_by_hand():
    #         smallest    dominated   higher     equal score  highest
    points = [(100, 50), (200, 40), (300, 60), (400, 60), (500, 61)]
    assert pareto_front(points) == [0, 2, 4]
    assert pareto_front(points[::-1]) == [4, 2, 0]
    assert pareto_front([(100, 50), (100, 55)]) == [1]


def test_the_same_records_give_the_same_bytes(twelve_methods):
    first, second = drawn(twelve_methods), drawn(twelve_methods)
    assert list(first) == ["base_new", "size"]
    for kind in first:
        assert svg(first[kind]) == svg(second[kind])


def test_all_classes_have_no_base_new_figure(make_record):
    assert list(drawn({"1": make_record({"coop": (100, None)})})) == ["size"]


def test_text_is_taken_literally(make_record):
    record = make_record(
        {"coop": (100, 100)}, dataset="odd$name$", changes={"coop": {"title": "CoOp $x_1$ <&>"}}
    )
    text = svg(drawn({"1": record})["base_new"])
    assert "CoOp $x_1$ &lt;&amp;&gt;" in text
    assert "odd$name$, 16 shots, seed 1" in text


@pytest.mark.parametrize("right", [(0, 0), (200, 200), (200, 0)])
def test_extreme_accuracies_can_be_drawn(make_record, right):
    for figure in drawn({"1": make_record({"zero_shot": right, "coop": right})}).values():
        assert svg(figure)


def test_every_mark_and_bar_is_inside_the_axes(two_seeds):
    axes = drawn(two_seeds)["base_new"].axes[0]
    corners = axes.viewLim
    assert all(corners.contains(base, new) for base in (50, 80) for new in (20, 60))


def test_every_method_is_named_in_the_axes_or_the_legend(twelve_methods):
    for figure in drawn(twelve_methods).values():
        named = {text.get_text() for text in figure.axes[0].texts}
        named |= {text.get_text() for legend in figure.legends for text in legend.get_texts()}
        assert {"Zero-shot CLIP", *(f"method_{index}" for index in range(11))} <= named


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("count", [2, 12, 60])
def test_labels_cover_neither_points_nor_each_other(seed, count):
    figure = Figure(figsize=(4, 3), dpi=100)
    axes = figure.add_axes((0.1, 0.1, 0.8, 0.8))
    axes.set(xlim=(0, 1), ylim=(0, 1))
    points = [tuple(point) for point in np.random.default_rng(seed).uniform(0.3, 0.7, (count, 2))]
    texts = [f"method {index}" for index in range(count)]
    unplaced = label_points(axes, points, texts, avoid=[], ink="black", leader="grey")
    renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = [note.get_window_extent(renderer) for note in axes.texts]
    assert {note.get_text() for note in axes.texts} == {
        text for index, text in enumerate(texts) if index not in unplaced
    }
    assert (count == 60) == bool(unplaced)
    for index, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:index])
        assert not any(box.contains(*axes.transData.transform(point)) for point in points)
        frame = axes.get_window_extent(renderer)
        assert frame.x0 <= box.x0 and box.x1 <= frame.x1
        assert frame.y0 <= box.y0 and box.y1 <= frame.y1


def test_what_finds_no_place_goes_to_a_legend_below(make_record):
    methods = {f"method with a long name {index}": (100, 100 + index % 2) for index in range(40)}
    figure = drawn({"1": make_record(methods)})["base_new"]
    (legend,) = figure.legends
    beside = {text.get_text() for text in figure.axes[0].texts}
    below = {text.get_text() for text in legend.get_texts()}
    assert below and not below & beside
    assert set(methods) <= below | beside
    renderer = FigureCanvasAgg(figure).get_renderer()
    assert not legend.get_window_extent(renderer).overlaps(figure.axes[0].get_tightbbox(renderer))
