"""Cell records made by hand."""

from cell_records import (  # noqa: F401
    make_record,
    two_seeds,
    two_seeds_together,
)
