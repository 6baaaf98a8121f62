"""What quantization, noise and low rank do to a prompt: many small trainings, tables, figures."""

from vlprompt_pipeline.analysis.after import post_training
from vlprompt_pipeline.analysis.captions import Conditions
from vlprompt_pipeline.analysis.config import AnalysisParameters, check_analysis
from vlprompt_pipeline.analysis.figures import draw
from vlprompt_pipeline.analysis.heads import heads_table
from vlprompt_pipeline.analysis.material import Material, TestImages
from vlprompt_pipeline.analysis.page import render_page
from vlprompt_pipeline.analysis.plan import Plan, make_plan
from vlprompt_pipeline.analysis.runs import ResultStore
from vlprompt_pipeline.analysis.tables import tables
from vlprompt_pipeline.analysis.train import Results, train_runs

__all__ = [
    "AnalysisParameters",
    "Conditions",
    "Material",
    "Plan",
    "ResultStore",
    "Results",
    "TestImages",
    "check_analysis",
    "draw",
    "heads_table",
    "make_plan",
    "post_training",
    "render_page",
    "tables",
    "train_runs",
]
