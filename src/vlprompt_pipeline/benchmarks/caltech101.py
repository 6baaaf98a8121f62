"""Caltech-101: 100 kinds of objects (`BACKGROUND_Google` and `Faces_easy` are left out).

Labels follow the ASCII order of the folder names; the split file renames airplanes, Faces,
Leopards and Motorbikes to airplane, face, leopard and motorbike.
"""

from vlprompt_pipeline.benchmarks.benchmark import Benchmark, PartCounts

CALTECH101 = Benchmark(
    name="caltech101",
    title="Caltech101",
    folder="caltech-101",
    image_prefix="101_ObjectCategories",
    split_file="split_zhou_Caltech101.json",
    template="a photo of a {}.",
    classes=100,
    counts=PartCounts(train=4128, val=1649, test=2465),
    split_sha256="5401555d17c242065663943f4e2f4a01f26c8d3a188841e187817b9c88718fdd",
    licence="CC BY 4.0",
    citation=(
        "L. Fei-Fei, R. Fergus, P. Perona: Learning generative visual models from few training "
        "examples, CVPR Workshop 2004"
    ),
    source=(
        "https://data.caltech.edu/records/mzrjq-6wc02 (images) and the splits folder of "
        "https://github.com/linzhiqiu/cross_modal_adaptation (split file)"
    ),
)
