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
    rows_of = packing.places // packing.ends.shape[1]
    last = packing.tokens[rows_of, packing.ends.flatten()[packing.places]]
    assert last.tolist() == [c * longest + n - 1 for c, n in enumerate(lengths)]


@settings(max_examples=50, deadline=None)
@given(lengths=st.lists(st.integers(1, 20), min_size=1, max_size=60))
def test_end_tokens_know_their_class_and_their_place(lengths):
    packing = pack_rows(tuple(lengths), 512, CPU)
    rows, most = packing.ends.shape
    places = packing.places.tolist()
    assert sorted(places) == [at for at, c in enumerate(packing.class_at) if c < len(lengths)]
    assert packing.class_at[packing.places].tolist() == list(range(len(lengths)))
    ends = {(at // most, packing.ends.flatten()[at].item()): at % most for at in places}
    for row in range(rows):
        for place, number in enumerate(packing.end_at[row].tolist()):
            assert number == ends.get((row, place), most)


def test_a_token_sees_the_prefix_and_its_class_up_to_itself():
    packing = pack_rows((2, 3), 512, CPU)
    visible = packing.visible(shared=2)[0].int()
    longer, shorter = visible[:3, 2:5], visible[3:5, 5:7]
    assert visible[:, :2].all()
    assert longer.tolist() == [[1, 0, 0], [1, 1, 0], [1, 1, 1]]
    assert shorter.tolist() == [[1, 0], [1, 1]]
    assert visible[:5, 2:].sum() == 6 + 3


def test_masks_are_made_once_and_their_rows_begin_at_multiples_of_eight_numbers():
    packing = pack_rows((2, 3), 512, CPU)
    before, rows = packing.masks(2, torch.float32)
    assert packing.masks(2, torch.float32)[1] is rows
    assert packing.masks(2, torch.bfloat16)[1].dtype == torch.bfloat16
    assert before.exp().int().tolist() == [[1, 0] + [0] * 6, [1, 1] + [0] * 6]
    assert rows.shape[-1] == 8
    visible = packing.visible(2)
    assert torch.equal(rows.exp().bool()[..., : visible.shape[-1]], visible)
    assert not rows.exp()[..., visible.shape[-1] :].any()


def test_hardly_a_place_is_empty():
    generator = torch.Generator().manual_seed(0)
    short = torch.randint(3, 8, (100,), generator=generator).tolist()
    own_context = [length + 16 for length in short]
    for lengths, waste in ((short, 0.03), (own_context, 0.1)):
        packing = pack_rows(tuple(lengths), 512, CPU)
        assert packing.tokens.numel() <= (1 + waste) * sum(lengths)
