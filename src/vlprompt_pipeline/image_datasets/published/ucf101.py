"""UCF101: 101 human actions, each video by its middle frame.

    ucf101/UCF-101-midframes/<Action_Name>/v_<ActionName>_g01_c01.jpg
    ucf101/split_zhou_UCF101.json

A class is called like its folder, the words of an action set apart (Apply_Eye_Makeup); labels
follow the official class list. The test part is the first official one.
"""

from vlprompt_pipeline.image_datasets.path_labels import PathLabels
from vlprompt_pipeline.image_datasets.split import PartCounts
from vlprompt_pipeline.image_datasets.split_file_dataset import split_file_dataset


def _run_together(action: str) -> str:
    """Return the sort key of a class: the official list has HammerThrow after Hammering."""
    return action.replace("_", "").lower()


split_file_dataset(
    name="ucf101",
    title="UCF101",
    folder="ucf101",
    image_prefix="UCF-101-midframes",
    split_file="split_zhou_UCF101.json",
    template="a photo of a person doing {}.",
    classes=101,
    counts=PartCounts(train=7639, val=1898, test=3783),
    split_sha256="a49d0f374e768cb948b551f1ceda5a4cf9331124f6fd4e614b3752d6b7f54051",
    licence="not stated by the authors; the videos are of users of YouTube",
    citation=(
        "K. Soomro, A. R. Zamir, M. Shah: UCF101, a dataset of 101 human actions classes from "
        "videos in the wild, CRCV-TR-12-01, 2012"
    ),
    images=(
        "UCF-101-midframes.zip, linked in https://github.com/KaiyangZhou/CoOp/blob/main/DATASETS.md"
    ),
    column=11,
    bundle="ucf101.zip",
    path_labels=PathLabels(label_order=_run_together),
    miniature=[
        ("Apply_Eye_Makeup/v_ApplyEyeMakeup_g{number:02}_c01.jpg", "Apply_Eye_Makeup"),
        ("Archery/v_Archery_g{number:02}_c01.jpg", "Archery"),
        ("Basketball/v_Basketball_g{number:02}_c01.jpg", "Basketball"),
        ("Yo_Yo/v_YoYo_g{number:02}_c01.jpg", "Yo_Yo"),
    ],
)
