"""Every class's suffix stands in one row, whole, and sees nothing but itself and the prefix."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vlprompt_pipeline.clip.packing import pack_rows

CPU = torch.device("cpu")


@settings(max_examples=100, deadline=None)
@given(lengths=st.lists(st.integers(1, 76), min_size=1, max_size=200))
def test_each_suffix_is_whole_and_where_it_is_said_to_be(lengths):
    packing = pack_rows(tuple(lengths), 512, CPU)
    rows, length = packing.tokens.shape
    longest = max(lengths)
    found: dict[int, list[int]] = {}
    for row in range(rows):
        for place in range(length):
            owner = packing.owner[row, place].item()
            if owner >= 0:
                found.setdefault(owner, []).append(packing.tokens[row, place].item())
    assert found == {c: [c * longest + i for i in range(n)] for c, n in enumerate(lengths)}
    flat = packing.ends.flatten()[packing.filled]
    row_of = packing.filled // packing.ends.shape[1]
    last = packing.tokens[row_of, flat][packing.order]
    assert last.tolist() == [c * longest + n - 1 for c, n in enumerate(lengths)]
    assert packing.first[0] == 0
    assert packing.first[-1] == len(lengths)
    assert torch.bincount(row_of).tolist() == [
        b - a for a, b in zip(packing.first, packing.first[1:], strict=False)
    ]


def test_a_token_sees_the_prefix_and_its_class_up_to_itself():
    packing = pack_rows((2, 3), 512, CPU)
    visible = packing.visible(shared=2)[0].int()
    longer, shorter = visible[:3, 2:5], visible[3:5, 5:7]
    assert visible[:, :2].all()
    assert longer.tolist() == [[1, 0, 0], [1, 1, 0], [1, 1, 1]]
    assert shorter.tolist() == [[1, 0], [1, 1]]
    assert visible[:5, 2:].sum() == 6 + 3


def test_hardly_a_place_is_empty():
    generator = torch.Generator().manual_seed(0)
    short = torch.randint(3, 8, (100,), generator=generator).tolist()
    own_context = [length + 16 for length in short]
    for lengths, waste in ((short, 0.03), (own_context, 0.1)):
        packing = pack_rows(tuple(lengths), 512, CPU)
        assert packing.tokens.numel() <= (1 + waste) * sum(lengths)
