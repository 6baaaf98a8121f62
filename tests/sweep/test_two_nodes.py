"""A node of a cluster that is cut off; needs root and iproute2."""

from __future__ import annotations

import pytest

from sweep.two_nodes import sweep_with_a_node_cut_off, why_not


@pytest.mark.long
@pytest.mark.parametrize("on_s3", [True, False])
def test_a_sweep_goes_on_without_the_node_that_is_cut_off(on_s3, tmp_path):
    for needed in ("ray", "moto.server", "s3fs"):
        pytest.importorskip(needed)
    if reason := why_not():
        pytest.skip(reason)
    assert sweep_with_a_node_cut_off(tmp_path, on_s3=on_s3) < 600
