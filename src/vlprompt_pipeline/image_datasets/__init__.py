"""The datasets: their official splits, their index, few-shot sets and base/new classes.

Nothing here knows a model, a method or Kedro. Importing the package registers every dataset of
`published` and `rendered_datasets`.
"""

from importlib import import_module

from vlprompt_pipeline.lazy import lazy_names

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "COLUMNS": "schema",
        "IMAGE_DATASETS": "lookup",
        "PARTS": "schema",
        "PUBLISHED_BASE_SHARE": "class_subsets",
        "Checksum": "download_recipe",
        "ClassSubset": "class_subsets",
        "ClassSubsets": "class_subsets",
        "DatasetCard": "index",
        "DownloadFile": "download_recipe",
        "DownloadRecipe": "download_recipe",
        "DownloadSource": "download_recipe",
        "FewShotSet": "few_shot",
        "ImageDataset": "image_dataset",
        "ImageIndex": "index",
        "MiniatureForm": "miniatures.form",
        "OwnData": "own_data.build",
        "PartCounts": "split",
        "RandomSplit": "random_split",
        "ShortClasses": "few_shot",
        "Split": "split",
        "SplitFile": "split_file",
        "Survey": "survey",
        "build_index": "index",
        "build_own_index": "own_data.build",
        "check_images": "image_checks",
        "get_image_dataset": "lookup",
        "inspect_images": "image_checks",
        "is_named_dataset": "lookup",
        "list_image_datasets": "lookup",
        "own_class_names": "own_data.build",
        "read_split": "split_file",
        "register_dataset": "lookup",
        "require_dataset_name": "own_data.location",
        "require_splittable": "random_datasets",
        "same_pattern": "miniatures.form",
        "sample_few_shot": "few_shot",
        "sample_from_split": "few_shot",
        "split_classes": "class_subsets",
        "split_file_writer": "miniatures.form",
        "survey_dataset": "survey",
        "verify_split": "verification",
    },
)

for _module in ("published", "rendered_datasets"):
    import_module(f"{__name__}.{_module}")
