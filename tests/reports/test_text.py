"""Tables for papers: LaTeX that compiles, Markdown, and what a terminal shows."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from results.made import Disk, base_to_new, predictions, right, score
from vlprompt_pipeline.evaluation.metrics import METRICS
from vlprompt_pipeline.reports.console import terminal_width
from vlprompt_pipeline.reports.figures import figures
from vlprompt_pipeline.reports.latex import escape, to_latex
from vlprompt_pipeline.reports.layout import text_tables
from vlprompt_pipeline.reports.markdown import to_markdown
from vlprompt_pipeline.reports.page import render
from vlprompt_pipeline.reports.terminal import to_text
from vlprompt_pipeline.reports.text_table import TextTable
from vlprompt_pipeline.results.dataset_names import AVERAGE
from vlprompt_pipeline.results.flags import MEANINGS
from vlprompt_pipeline.results.left_out import left_out
from vlprompt_pipeline.results.metric_names import metric_title
from vlprompt_pipeline.results.records import CellRecord
from vlprompt_pipeline.wording import human_bytes, times

AWKWARD = r"50% of_A&B #1 {x} ~ ^ \ $ <b> | λ ± ≤ Ünïcode 漢"


def everything() -> Disk:
    """All protocols, holes, a bound method, awkward titles, an own random split."""
    disk = base_to_new(("demo_aerial", "demo_flags"), ("zero_shot", "coop", "qcoop"))
    for place in list(disk.records):
        if place.endswith("seed2/qcoop") and "flags" in place:
            del disk.records[place]
        elif place.endswith("/qcoop"):
            disk.records[place]["methods"][0]["title"] = AWKWARD
    disk.add("linear_probe", {"base": right(0.9)}, bound=True)
    for dataset in ("demo_glyphs", "my_photos"):
        split = "own random split, seed 1" if dataset == "my_photos" else ""
        for shots in (1, 4):
            for number, method in enumerate(("zero_shot", "coop")):
                halves = {"base": right(0.4 + shots / 10 * number)}
                disk.add(method, halves, dataset=dataset, shots=shots, random_split=split)
    for number, method in enumerate(("zero_shot", "coop")):
        targets = {"demo_flags": right(0.5), "demo_glyphs": right(0.4 + number / 5)}
        disk.add(method, {"base": right(0.7)}, protocol="cross_dataset", targets=targets)
    halves = {"base": right(0.8), "new": right(0.7)}
    place = disk.add("coop", halves, clip="vit_b16", dataset="eurosat")
    among_all = {"generalised_base": right(0.7), "generalised_new": right(0.3)}
    disk.records[place]["methods"][0]["generalised"] = {
        "base": score(among_all["generalised_base"]),
        "new": score(among_all["generalised_new"]),
    }
    disk.predictions[place] = predictions({**halves, **among_all}, "eurosat")
    return disk


@pytest.fixture(scope="module")
def comparison():
    return everything().compare()


@pytest.fixture(scope="module")
def tables(comparison):
    return {table.name: table for table in text_tables(comparison)}


def test_brackets_in_a_title_are_no_markup_of_the_terminal():
    disk = base_to_new(seeds=(1, 2))
    for place in disk.records:
        if place.endswith("zero_shot"):
            disk.records[place]["methods"][0]["title"] = "CLIP [red]x[/b]"
    made = disk.compare()
    assert "against CLIP [red]x[/b]" in " ".join(to_text(made, text_tables(made)).split())


def test_the_text_is_plain_in_a_notebook_and_where_colours_are_forced(monkeypatch, comparison):
    made = text_tables(comparison)
    plain = to_text(comparison, made)
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert to_text(comparison, made) == plain


def test_recipes_of_one_title_have_their_names_behind_it():
    disk = base_to_new(methods=("zero_shot", "coop", "dup"))
    for place, record in disk.records.items():
        if place.endswith("dup"):
            record["methods"][0]["title"] = "CoOp"
    (table,) = text_tables(disk.compare())
    assert table.columns == ("Zero-shot CLIP", "CoOp (coop)", "CoOp (dup)")


def test_a_protocol_of_somebody_else_on_all_classes_has_its_table():
    disk = Disk()
    for dataset in ("demo_aerial", "demo_flags", "demo_glyphs"):
        disk.add("coop", {"base": right(0.5)}, dataset=dataset, protocol="their_protocol")
    made = disk.compare()
    (table,) = text_tables(made)
    assert table.columns == ("16 shots",)
    assert "| demo_flags | CoOp | 50.00" in to_markdown([table], (), left_out(made))


def test_every_word_of_ours_has_its_letters_in_latex():
    ours = [*MEANINGS, *MEANINGS.values(), *map(metric_title, ("mean_of_h", "h", *METRICS))]
    assert [text for text in ours if "?" in escape(text)] == []


def lines_of(table: TextTable, block: str = "") -> dict[str, tuple]:
    (found,) = [one for one in table.blocks if one.title == block]
    return {line.title: line.cells for line in found.lines}


def test_base_to_new_has_the_average_first_then_base_new_and_h_of_each_dataset(tables):
    table = tables["base_to_new_demo_16shots"]
    assert [block.title for block in table.blocks] == ["Average", "demo_aerial", "demo_flags"]
    assert table.columns == ("Zero-shot CLIP", "CoOp", AWKWARD, "linear_probe")
    assert list(lines_of(table, "Average")) == ["Base", "New", "H", "Mean of H"]
    assert list(lines_of(table, "demo_flags")) == ["Base", "New", "H"]
    base = lines_of(table, "demo_aerial")["Base"]
    assert [round(cell.mean) for cell in base] == [50, 62, 72, 90]
    assert [cell.best for cell in base] == [False, False, False, True]
    assert [cell.verdict for cell in base] == ["", "better", "better", "better"]
    assert lines_of(table, "demo_aerial")["New"][3] is None, "bound to the classes of training"
    assert lines_of(table, "demo_flags")["Base"][3] is None, "not run"


def test_transfer_has_source_targets_and_average(tables):
    table = tables["cross_dataset_demo_aerial_demo_16shots"]
    assert table.columns == (
        "demo_aerial (source)",
        "demo_flags",
        "demo_glyphs",
        "Average of targets",
    )
    means = [round(cell.mean) for cell in lines_of(table)["CoOp"]]
    assert means == [70, 50, 60, 55]
    assert [cell.best for cell in lines_of(table)["CoOp"]] == [True, True, True, True]
    assert [cell.best for cell in lines_of(table)["Zero-shot CLIP"]] == [True, True, False, False]


def test_few_shot_has_shots_as_columns(tables):
    table = tables["few_shot_demo"]
    assert table.columns == ("1 shot", "4 shots")
    assert [block.title for block in table.blocks] == ["demo_glyphs"]
    assert [round(cell.mean) for cell in lines_of(table, "demo_glyphs")["CoOp"]] == [50, 80]


def test_own_photos_are_a_table_of_their_own_and_in_no_average(tables):
    table = tables["few_shot_demo_own_photos"]
    assert [block.title for block in table.blocks] == ["my_photos (own random split, seed 1)"]
    assert table.title == "few-shot, own photos, CLIP demo, only seed 1"


def test_base_and_new_among_all_classes_are_a_table_of_their_own(tables):
    table = tables["base_to_new_vit_b16_16shots_generalised"]
    assert "base and new images among all classes together" in table.title
    assert [round(line.cells[0].mean) for line in table.blocks[0].lines] == [70, 30, 42]


def test_marks_and_flags_are_explained(tables):
    notes = " ".join(tables["base_to_new_vit_b16_16shots"].notes)
    assert "In parentheses: difference to the published figure." in notes
    assert "Published figures of CoOp: per-dataset epochs (a number of epochs" in notes
    own = " ".join(tables["base_to_new_demo_16shots"].notes)
    assert "linear_probe: validation-selected (settings or the last step chosen" in own
    assert "published figure" not in own
    assert "↑ better" in own
    assert "↑" not in notes, "nothing was compared"


def test_figures_of_one_seed_have_no_spread_to_explain():
    for seeds, said in (((1,), "Percent, of one seed (seed 1)"), ((1, 2), "Percent, mean ± ")):
        (table,) = text_tables(base_to_new(seeds=seeds).compare())
        assert table.notes[0].startswith(said)
        assert not any("H of the average" in note for note in table.notes)


def check_latex(text: str) -> int:
    """Count the tables; fail where TeX would stop or set another number of columns."""
    body = "\n".join(line for line in text.splitlines() if not line.startswith("%"))
    plain = re.sub(r"\\[\\&%$#_{}]", "", body)
    assert plain.count("{") == plain.count("}")
    assert plain.count("$") % 2 == 0
    assert not re.search(r"[%#]", plain)
    outside = re.sub(r"\$[^$]*\$|\\label\{[^}]*\}", "", plain)
    assert not re.search(r"[_^~]", outside), "of mathematics alone"
    assert all(ord(character) < 0x180 for character in body)
    environments = []
    for kind, name in re.findall(r"\\(begin|end)\{([a-z*]+)\}", body):
        if kind == "begin":
            environments.append(name)
        else:
            assert environments.pop() == name
    assert environments == []
    found = re.findall(r"\\begin\{tabular\}\{([lc]+)\}\n(.*?)\\end\{tabular\}", body, re.DOTALL)
    for columns, rows in found:
        first, *middle, last = [line for line in rows.splitlines() if line]
        assert (first, last) == (r"\toprule", r"\bottomrule")
        for row in middle:
            if row != r"\midrule":
                assert row.endswith(r" \\")
                assert len(re.findall(r"(?<!\\)&", row)) == len(columns) - 1
    return len(found)


def test_latex_is_well_formed(tables):
    assert check_latex(to_latex(list(tables.values()))) == len(tables) == 6


def test_latex_has_scores_with_spread_arrow_and_difference(tables):
    text = to_latex(list(tables.values()))
    assert r"$62.00_{\pm 0.82}^{\uparrow}$" in text
    assert r"$\mathbf{90.00}^{\uparrow}$" in text
    published = 92.19
    assert rf"$80.00^{{({80 - published:+.2f})}}$" in text
    assert r"demo\_aerial & Base &" in text
    assert "--" in text


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_pdftex_sets_every_table_within_the_page(tables, tmp_path):
    (tmp_path / "tables.tex").write_text(to_latex(list(tables.values())), encoding="utf-8")
    page = r"""\documentclass[twocolumn]{article}\usepackage{booktabs,graphicx}
        \begin{document}\input{tables}\end{document}"""
    (tmp_path / "page.tex").write_text(page)
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"],
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    said = done.stdout.decode(errors="replace")
    assert done.returncode == 0, said
    assert "Overfull" not in said, said


def test_what_is_too_long_or_too_wide_for_a_page_is_split_or_narrowed(tables):
    table = tables["base_to_new_demo_16shots"]
    wide = table._replace(
        columns=table.columns * 3,
        blocks=tuple(
            block._replace(lines=tuple(line._replace(cells=line.cells * 3) for line in block.lines))
            for block in table.blocks * 6
        ),
    )
    text = to_latex([wide])
    assert check_latex(text) == 2
    assert text.count("\\resizebox{\\ifdim\\width>\\textwidth") == 2
    assert "CLIP demo, part 1 of 2" in text
    rows = [part.count(" \\\\\n") - 1 for part in text.split("\\toprule")[1:]]
    assert sum(rows) == 6 * 10
    assert max(rows) <= 45
    (block, *_) = table.blocks
    long = table._replace(blocks=(block._replace(lines=block.lines * 12),))
    assert check_latex(to_latex([long])) == 1


def test_names_are_escaped():
    assert escape("a_b & 5% #1 $ {x}") == r"a\_b \& 5\% \#1 \$ \{x\}"
    assert escape("~ ^ \\") == r"\textasciitilde{} \textasciicircum{} \textbackslash{}"
    assert escape("λ ± ≤ – é 漢 ﬁ½") == r"$\lambda$ $\pm$ $\leq$ -- é ? fi½"
    assert escape("[new] *") == "{[}new{]} {*}", "no option of the row before"
    assert escape("two\nlines") == "two lines"


def test_markdown_rows_have_as_many_cells_as_their_heads(tables, comparison):
    text = to_markdown(list(tables.values()), comparison.remarks)
    blocks = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
    assert len(blocks) == len(tables)
    for block in blocks:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1
    assert "| demo_aerial | Base | 50.00 ± 0.00 | 62.00 ± 0.82 ↑ |" in text
    assert "(−12.19)" in text
    assert r"\$ \<b\> \|" in text
    assert text.count("\n## ") == len(tables), "and the remarks"


def test_the_terminal_has_averages_remarks_and_commands(tables, comparison):
    text = to_text(comparison, list(tables.values()))
    assert "base to new, 16 shots, CLIP demo, Average" in text
    assert "62.0 ± 0.8 ↑" in text
    assert "80.0 (−12.2)" in text
    assert "! 6 cells of these tables are missing." in text
    assert "kedro sweep --datasets=demo_aerial --shots=16 --seeds=2" in text
    assert "and 1 more in missing.csv" in text


def test_the_terminal_says_what_it_leaves_to_the_page():
    disk = Disk()
    for dataset in ("demo_aerial", "demo_flags", "demo_glyphs", "demo_counts"):
        for shots in (1, 2, 4, 8, 16, 32):
            scores = {"base": right(0.5)}
            disk.add("coop", scores, dataset=dataset, protocol="few_shot", shots=shots)
        disk.add("coop", {"base": right(0.5), "new": right(0.6)}, dataset=dataset)
    made = disk.compare()
    text = to_text(made, text_tables(made))
    assert "1 shot %  32 shots %" in text
    assert text.count("4 more columns are on the page") == 1, "of the average"
    assert text.count("4 more tables, one a dataset, are on the page") == 2, "of both protocols"


def many_datasets(*datasets: str) -> tuple[Disk, str]:
    """A few-shot curve on each; the place of CoOp with 4 shots on the second, 60 % right."""
    disk = Disk()
    for number, dataset in enumerate(datasets):
        for shots in (1, 2, 4, 8, 16):
            disk.add("zero_shot", {"base": right(0.5)}, dataset=dataset, shots=shots)
            share = {"base": right(0.55 + number / 20)}
            disk.add("coop", share, dataset=dataset, shots=shots)
    return disk, f"demo/{datasets[1]}/few_shot/shots4/seed1/coop"


def text_of_run(disk: Disk, place: str, **asked: object) -> str:
    made = disk.compare_beside(place, **asked)
    run = CellRecord.model_validate(disk.records[place])
    return to_text(made, text_tables(made), run=run, commands=False)


def test_what_was_just_run_stands_first_however_many_datasets_there_are():
    names = [f"demo_{name}" for name in ("aerial", "flags", "glyphs", "counts")]
    text = text_of_run(*many_datasets(*names))
    first, average = text.split("CLIP demo, only seed 1, Average")
    assert first.startswith("few-shot, CLIP demo, only seed 1, demo_flags\n")
    assert "1 shot %  4 shots %  16 shots %" in first
    words = " ".join(first.split())
    assert "Highest accuracy on demo_flags with 4 shots: CoOp, 60.0 % (only seed 1)" in words
    assert "CoOp against Zero-shot CLIP in accuracy on demo_flags: better, p " in words
    assert "Highest accuracy on average with 16 shots" in " ".join(average.split())
    assert "3 more tables, one a dataset, are on the page" in average


def test_the_shots_of_a_run_are_shown_though_their_column_has_a_caveat():
    disk, place = many_datasets("demo_aerial", "demo_flags")
    for method in ("zero_shot", "coop"):
        for dataset in ("demo_aerial", "demo_flags"):
            for shots in (1, 2, 8, 16):
                disk.add(method, {"base": right(0.6)}, dataset=dataset, shots=shots, seed=2)
    head = text_of_run(disk, place).split("─")[0]
    assert "4 shots" in head and "(only seed 1) %" in head


def test_text_page_and_headline_begin_with_the_table_of_the_run():
    """And not with that of fewer shots, which stands first where no run is shown."""
    disk = Disk()
    for shots in (4, 16):
        for method, share in (("zero_shot", 0.5), ("coop", 0.7)):
            halves = {"base": right(share), "new": right(share)}
            place = disk.add(method, halves, shots=shots)
    made = disk.compare_beside(place)
    assert disk.compare().families["family"].tolist() == made.families["family"].tolist()[::-1]
    assert next(iter(figures(made))) == "base_to_new_demo_16shots_base_new"
    assert text_of_run(disk, place).startswith("base to new, 16 shots, CLIP demo")
    page = render(made)
    assert page.index('id="base_to_new_demo_16shots"') < page.index('id="base_to_new_demo_4shots"')


def test_own_photos_stand_beside_the_sets_alone_that_were_swept_with_them():
    disk, place = many_datasets("cats", "dogs", "birds", "cows", "fish", "demo_flags")
    other = "demo/cats/few_shot/shots2/seed1/coop"
    disk.records[other] = {"schema_version": 99}  # nothing that a reader of dogs has to know
    del disk.records["demo/birds/few_shot/shots2/seed1/coop"]
    text = text_of_run(disk, place)
    assert "only seed 1, dogs\n" in text
    assert not re.search("verage|cats|birds|demo_flags|missing|Left out", text)
    assert set(disk.compare_beside(place, datasets=("dogs", "fish")).scores["dataset"]) == {
        "dogs",
        "fish",
        AVERAGE,
    }


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_narrow_terminal_keeps_names_scores_and_verdicts_whole(comparison, tables, width):
    text = to_text(comparison, list(tables.values()), commands=False, width=width)
    lines = [line for line in text.splitlines() if not line.startswith("!")]  # remarks wrap there
    assert max(map(len, lines)) <= width
    assert "…" not in text
    words = " ".join(text.split())
    for whole in ("method", "Zero-shot CLIP", "linear_probe", "62.0 ± 0.8 ↑", "70.0 (+15.3)"):
        assert whole in words
    assert len(re.findall(r"better, p < 0.001 \(6 tests\)", words)) >= 6
    assert words.count("only seed 1") >= 5
    assert ("[1] only seed 1" in words) == (width < 120)
    assert words.count("H against Zero-shot CLIP: CoOp: better") == (3 if width < 120 else 0)


def test_the_width_is_that_of_the_terminal_within_limits(monkeypatch):
    for columns, width in (("30", 60), ("80", 80), ("400", 110)):
        monkeypatch.setenv("COLUMNS", columns)
        assert terminal_width() == width


def test_page_and_figures_take_a_grid_with_holes(comparison):
    """An average over datasets with different seeds has no deviation, other rows no interval."""
    averages = comparison.scores[comparison.scores["dataset"] == AVERAGE]
    assert averages["std"].isna().any()
    assert comparison.scores["low"].isna().any()
    page = render(comparison)
    assert all(remark.split(":")[0] in page for remark in comparison.remarks)
    assert set(comparison.families["family"]) <= {
        name.rsplit("_", 1)[0] for name in figures(comparison)
    }


def test_a_factor_and_a_size_have_three_digits_at_least_where_they_matter():
    assert [times(factor) for factor in (1.0, 9.994, 9.996, 11.7)] == [
        "1.00×",
        "9.99×",
        "10.0×",
        "11.7×",
    ]
    sizes = (68, 999, 4_100, 99_900, 99_960, 1_840_000)
    assert [human_bytes(size) for size in sizes] == [
        "68 B",
        "999 B",
        "4.1 kB",
        "99.9 kB",
        "100 kB",
        "1.8 MB",
    ]


def test_a_grid_without_any_remark_has_no_such_section():
    whole = base_to_new().compare()
    assert "Remarks" not in to_markdown(text_tables(whole), whole.remarks)


def test_a_verdict_that_wraps_loses_no_letter(comparison, tables):
    verdict = "no difference shown, p = 0.665 (3 tests)"

    def with_it(block):
        return block._replace(verdicts=tuple(each and verdict for each in block.verdicts))

    shown = [t._replace(blocks=tuple(map(with_it, t.blocks))) for t in tables.values()]
    for width in range(60, 121):
        text = to_text(comparison, shown, commands=False, width=width)
        assert len(re.findall(r"\bp\b(?!\s+<)", text)) == text.count("0.665"), width
