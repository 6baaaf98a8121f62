from __future__ import annotations

import io
import re
from collections import Counter

import pytest
from rich.console import Console

from html_page import Page
from vlprompt_pipeline.errors import UserError
from vlprompt_pipeline.reports.summary_report.headline import headline
from vlprompt_pipeline.reports.summary_report.report import Report, write_report
from vlprompt_pipeline.reports.summary_report.summary import summarise
from vlprompt_pipeline.results.groups import group_records, read_records
from vlprompt_pipeline.results.record_checks import group_remarks
from vlprompt_pipeline.wording import human_bytes, plus_minus, seeds_text, signed


def report_of(records) -> Report:
    return write_report(*read_records(records))


def summary_of(records):
    (group,) = group_records(read_records(records)[0])
    return summarise(group)


def remarks_of(records) -> list[str]:
    (group,) = group_records(read_records(records)[0])
    return group_remarks(group)


def test_the_page_is_whole_and_needs_nothing_else(twelve_methods):
    html = report_of(twelve_methods).html
    page = Page(html)
    assert "http" not in re.sub(r'http-equiv="', "", html)
    loads = [value for name, value in page.attributes if name in {"src", "href", "srcset"}]
    assert loads and all(value.startswith(("#", "data:,")) for value in loads)
    assert [name for name, count in Counter(page.ids).items() if count > 1] == []
    assert {value[1:] for value in loads if value.startswith("#")} <= set(page.ids)
    assert html.count("<svg") == 2
    assert len(html.encode()) < 100_000


def test_the_page_depends_on_the_records_alone(twelve_methods):
    turned = {f"other {name}": twelve_methods[name] for name in reversed(twelve_methods)}
    assert report_of(twelve_methods).html == report_of(turned).html


def test_both_halves_together_are_marked_as_no_published_protocol(two_seeds, two_seeds_together):
    heading = "Base and new together (not in the papers)"
    assert heading not in report_of(two_seeds).html
    report = report_of(two_seeds_together)
    Page(report.html)
    _, _, table = report.html.partition(heading)
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", table.partition("</table>")[0])
    assert cells[:4] == ["Zero-shot CLIP", "40.0 ± 0.0", "40.0 ± 0.0", "40.0 ± 0.0"]
    assert cells[4:] == ["CoOp", "55.0 ± 5.0", "25.0 ± 15.0", "34.4 ± 15.7"]
    assert report.table.set_index("method").loc["coop", "generalised_h"] == 34.375


def test_names_are_text_not_markup(two_seeds):
    page = Page(report_of(two_seeds).html)
    assert "one <b>bold</b> & 'quoted' disc" in "".join(page.items)


def test_a_corrupt_record_is_named_on_the_page_and_in_the_terminal(two_seeds):
    report = report_of(two_seeds | {"broken.json": {"a": 1}})
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(report.terminal())
    assert "broken.json: is not a cell record" in report.html
    assert "broken.json: is not a cell record" in console.export_text()
    assert len(report.table) == 2


def test_other_weights_get_a_section_of_their_own_and_a_warning(two_seeds, make_record):
    other = make_record({"coop": (200, 200)}, seed=3, weights_sha256="d" * 64)
    report = report_of(two_seeds | {"other": other})
    assert "different CLIP weights" in report.html
    assert report.html.count("<h2>") == 2
    assert report.table.groupby("weights_sha256")["base_mean"].max().to_dict() == {
        "a" * 64: 70,
        "d" * 64: 100,
    }
    assert len(set(report.figures)) == 4


def test_figures_are_named_after_their_cell(two_seeds):
    assert list(report_of(two_seeds).figures) == [
        "demo_counts_base_to_new_16shots_base_new",
        "demo_counts_base_to_new_16shots_size",
    ]


def test_published_figures_and_sources_are_shown(make_record):
    record = make_record({"zero_shot": (190, 188)}, dataset="caltech101", clip="vit_b16")
    html = report_of({"1": record}).html
    assert "96.8 / 94.0 / 95.4" in html
    assert "OnPoKD paper Table 1" in html


def test_a_random_split_is_marked_everywhere_and_beside_no_published_figure(make_record):
    mark = "own random split, seed 1"
    record = make_record(
        {"zero_shot": (190, 188)}, dataset="caltech101", clip="vit_b16", random_split=mark
    )
    report = report_of({"1": record, "2": make_record({"zero_shot": (100, 100)})})
    assert f"<h2>caltech101 ({mark}), base to new" in report.html
    assert f">caltech101 ({mark})</a>" in report.html
    assert f"<dt>Split</dt><dd>{mark}, <code>" in report.html
    assert headline(summary_of({"1": record})).startswith(f"On caltech101 ({mark}), 16 shots")
    assert report.table["random_split"].tolist() == ["", mark]
    assert "Published" not in report.html


def test_all_classes_make_a_page_without_new_classes(make_record):
    html = report_of({"1": make_record({"zero_shot": (100, None), "coop": (110, None)})}).html
    Page(html)
    assert html.count("<svg") == 1
    assert "harmonic" not in html


def test_no_record_is_an_error_that_names_the_problems():
    with pytest.raises(UserError, match=r"no results to report; x\.json: is not a cell record"):
        report_of({"x.json": {}})


def test_better_is_not_said_without_a_test(twelve_methods):
    report = report_of(twelve_methods)
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(report.terminal())
    for shown in (report.html, console.export_text()):
        assert not re.search(r"\b(better|worse|significantly|outperform)", shown)


def test_headline_of_a_difference_within_the_spread(two_seeds):
    assert headline(summary_of(two_seeds)) == (
        "On demo_counts, 16 shots, seeds 1, 2, CoOp has the highest H, 50.9 ± 19.3 %: "
        "+0.9 against Zero-shot CLIP, within one standard deviation over seeds (19.3)."
    )


def test_headline_when_nothing_beats_zero_shot(make_record):
    methods = {"zero_shot": (120, 120), "coop": (100, 60), "qcoop": (100, 100)}
    records = {str(seed): make_record(methods, seed=seed) for seed in (1, 2, 3)}
    assert headline(summary_of(records)) == (
        "On demo_counts, 16 shots, seeds 1–3, no learned prompt is above Zero-shot CLIP in H "
        "(60.0 %); the highest is QCoOp, 1 bit, 50.0 ± 0.0 %: −10.0 against Zero-shot CLIP, "
        "outside one standard deviation over seeds (0.0). On new classes the learned prompts reach "
        "from 30.0 % with CoOp to 50.0 % with QCoOp, 1 bit; Zero-shot CLIP has 60.0 %."
    )


@pytest.mark.parametrize(
    ("methods", "expected"),
    [
        ({"zero_shot": (120, None)}, "Zero-shot CLIP alone was run: accuracy 60.0 %."),
        ({"coop": (120, None)}, "CoOp has the highest accuracy, 60.0 %."),
        (
            {"zero_shot": (100, None), "coop": (120, None)},
            "from one seed, so the spread is unknown.",
        ),
    ],
)
def test_headline_of_little(make_record, methods, expected):
    assert headline(summary_of({"1": make_record(methods)})).endswith(expected)


def test_remarks_say_what_makes_rows_less_comparable(make_record):
    both = {"zero_shot": (100, 100), "coop": (120, 120)}
    near_chance = "zero-shot accuracy 1.3 % is near chance (1.0 %)"
    remarks = remarks_of(
        {
            "1": make_record(both, seed=1, notes=(near_chance,)),
            "2": make_record(
                both,
                seed=2,
                notes=(near_chance,),
                code_version="0.2.0",
                changes={"coop": {"trainable_parameters": 8192}},
            ),
            "3": make_record({"zero_shot": (100, 100)}, seed=3),
        }
    )
    assert remarks == [
        near_chance,
        "CoOp lacks seed 3 of seeds 1–3: its mean is over fewer runs than the others'.",
        "CoOp has different parameters in different seeds (2048, 8192): "
        "its configuration changed between runs.",
        "The seeds were run by different versions of the code: 0.1.0, 0.2.0.",
    ]


def test_one_seed_and_unequal_tests_are_remarked(make_record):
    smaller = {"coop": {"base": {"correct": 5, "total": 10}}}
    remarks = remarks_of({"1": make_record({"zero_shot": (1, 1), "coop": (1, 1)}, changes=smaller)})
    assert remarks == [
        "Only seed 1: the spread over seeds is unknown.",
        "The number of test images differs between runs or methods.",
    ]


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (260, "260 B"), (4096, "4.1 kB"), (142_900, "143 kB"), (7_096_320, "7.1 MB")],
)
def test_bytes_as_the_papers_write_them(count, text):
    assert human_bytes(count) == text


def test_small_wording():
    assert seeds_text([1, 2, 3]) == "seeds 1–3"
    assert seeds_text([1, 3]) == "seeds 1, 3"
    assert plus_minus(65.71, 1.24, 3) == "65.7 ± 1.2"
    assert plus_minus(65.71, 0.0, 1) == plus_minus(65.71, float("nan"), 3) == "65.7"
    assert [signed(x) for x in (1.26, -1.26, 0.01, -0.01, float("nan"))] == [
        "+1.3",
        "−1.3",
        "0.0",
        "0.0",
        "–",
    ]
