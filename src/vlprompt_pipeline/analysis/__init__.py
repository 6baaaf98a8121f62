"""What quantization, noise and low rank do to a prompt: many small trainings, tables, figures.

Every run reads its parameters; the rest is imported once it is used.
"""

from vlprompt_pipeline.lazy import lazy_names

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "AnalysisParameters": "config",
        "Conditions": "captions",
        "Material": "material",
        "Plan": "plan",
        "ResultStore": "runs",
        "TestImages": "material",
        "check_analysis": "config",
        "draw": "figures",
        "heads_table": "heads",
        "make_plan": "plan",
        "make_tables": "tables",
        "post_training": "after",
        "render_page": "page",
        "train_runs": "train",
    },
)
