"""A grid of cells, each a whole `kedro run`: here, on all cores, or on a cluster of Ray."""

from vlprompt_pipeline.sweep.grid import GridFile, grid, nested, protocol_grid, read_grid
from vlprompt_pipeline.sweep.runs import Options, run_cells

__all__ = [
    "GridFile",
    "Options",
    "grid",
    "nested",
    "protocol_grid",
    "read_grid",
    "run_cells",
]
