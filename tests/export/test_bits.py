from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlprompt_pipeline.export.bits import pack_bits, packed_size, unpack_bits


@pytest.mark.parametrize(
    ("indices", "bits", "packed"),
    [
        ([1, 0, 1, 1, 0, 0, 0, 1, 1], 1, "8d01"),
        ([3, 0, 1, 2], 2, "93"),
        ([1, 2, 3, 4, 5, 6, 7, 0], 3, "d1581f"),
        ([0xA, 0x5, 0xF], 4, "5a0f"),
        ([0, 127, 255], 8, "007fff"),
        ([], 5, ""),
    ],
)
def test_by_hand(indices: list[int], bits: int, packed: str) -> None:
    assert pack_bits(np.array(indices, np.uint8), bits).hex() == packed


@settings(deadline=None)
@given(st.integers(1, 8), st.data())
def test_is_one_little_endian_number(bits: int, data: st.DataObject) -> None:
    indices = data.draw(st.lists(st.integers(0, 2**bits - 1), max_size=50))
    number = sum(index << (bits * place) for place, index in enumerate(indices))
    packed = pack_bits(np.array(indices, np.uint8), bits)
    assert packed == number.to_bytes(packed_size(len(indices), bits), "little")
    assert unpack_bits(packed, len(indices), bits).tolist() == indices


def test_index_that_does_not_fit() -> None:
    with pytest.raises(ValueError, match="index 4 does not fit in 2 bits"):
        pack_bits(np.array([1, 4], np.uint8), 2)


@pytest.mark.parametrize("data", [b"\x01", b"\x01\x00\x00"])
def test_wrong_length(data: bytes) -> None:
    with pytest.raises(ValueError, match="9 indices of 1 bits take 2 bytes"):
        unpack_bits(data, 9, 1)


def test_left_over_bit() -> None:
    with pytest.raises(ValueError, match="after the last index"):
        unpack_bits(b"\x01\x02", 9, 1)
