"""Image files of every kind as a person sees them, and as the published code reads them."""

from __future__ import annotations

import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vlprompt_pipeline.errors import DataError
from vlprompt_pipeline.images import LONGEST_RATIO, STRIP, open_image, read_rgb, require_size

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


@pytest.fixture
def file(tmp_path) -> Path:
    return tmp_path / "picture"


def seen(file: Path, short_side: int = 224) -> np.ndarray:
    return np.asarray(read_rgb(file, "as_seen", short_side)).astype(int)


def test_grey_is_three_times_the_same(file):
    Image.new("L", (4, 3), 77).save(file, "PNG")
    assert seen(file).tolist() == [[[77, 77, 77]] * 4] * 3


def test_one_bit_is_black_and_white(file):
    Image.fromarray(np.array([[True, False]])).save(file, "PNG")
    assert seen(file).tolist() == [[[255] * 3, [0] * 3]]


@pytest.mark.parametrize("decoding", ["published", "as_seen"])
@pytest.mark.parametrize(
    ("ink", "colour"),
    [
        ((255, 0, 0, 0), (0, 255, 255)),
        ((0, 0, 0, 255), (0, 0, 0)),
        ((0, 0, 0, 0), (255, 255, 255)),
        ((0, 102, 0, 51), (204, 122, 204)),  # 255 * (1 - 51/255), and * (1 - 102/255) of it
    ],
)
def test_cmyk_jpegs_stand_inverted_in_the_file(file, ink, colour, decoding):
    Image.new("CMYK", (16, 16), ink).save(file, "JPEG", quality=100)
    assert b"Adobe" in file.read_bytes()
    found = np.asarray(read_rgb(file, decoding, 224)).astype(int)
    assert np.abs(found - colour).max() <= 2


def test_what_is_transparent_is_white(file):
    pixels = np.array([[[*RED, 255], [*RED, 0], [*BLUE, 51]]], np.uint8)  # 51 of 255: a fifth
    Image.fromarray(pixels).save(file, "PNG")
    assert seen(file).tolist() == [[[255, 0, 0], [255, 255, 255], [204, 204, 255]]]
    assert np.asarray(read_rgb(file, "published", 224))[0, 1].tolist() == [255, 0, 0]


def test_a_transparent_colour_of_a_palette_is_white(file):
    image = Image.new("P", (2, 1))
    image.putpalette([*RED, *GREEN])
    image.putpixel((1, 0), 1)
    image.save(file, "GIF", transparency=1)
    assert seen(file).tolist() == [[[255, 0, 0], [255, 255, 255]]]


def test_grey_with_alpha(file):
    Image.fromarray(np.array([[[100, 255], [100, 0]]], np.uint8), "LA").save(file, "PNG")
    assert seen(file).tolist() == [[[100] * 3, [255] * 3]]


def test_a_transparent_grey_of_16_bits_is_white(file):
    Image.fromarray(np.array([[300, 301]], np.uint16)).save(file, "PNG", transparency=300)
    assert seen(file).tolist() == [[[255] * 3, [1] * 3]]


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled(file, kind):
    values = np.array([[0, 255, 256, 0x80FF, 0xFFFF]], np.uint16)
    Image.fromarray(values).save(file, kind)
    assert seen(file)[0, :, 0].tolist() == [0, 0, 1, 128, 255]


def test_more_than_sixteen_bits_are_refused(file):
    Image.fromarray(np.array([[1 << 20]], np.int32)).save(file, "TIFF")
    with pytest.raises(DataError, match="more than 16 bits; save it with 8 or 16"):
        seen(file)
    Image.fromarray(np.array([[-1]], np.int32)).save(file, "TIFF")
    with pytest.raises(DataError, match="more than 16 bits; save it with 8 or 16"):
        seen(file)
    Image.fromarray(np.array([[0.5]], np.float32)).save(file, "TIFF")
    with pytest.raises(DataError, match="fractions of unknown range"):
        seen(file)


# How the camera was held, by EXIF's own table (tag 274): which corner of the scene the first stored
# pixel is, and which its last of the first row. The scene is red at the top left, green at the top
# right and blue at the bottom left.
SCENE = [[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 255]]]
HELD = {
    1: [[0, 0], [0, 1], [1, 0], [1, 1]],
    2: [[0, 1], [0, 0], [1, 1], [1, 0]],
    3: [[1, 1], [1, 0], [0, 1], [0, 0]],
    4: [[1, 0], [1, 1], [0, 0], [0, 1]],
    5: [[0, 0], [1, 0], [0, 1], [1, 1]],
    6: [[0, 1], [1, 1], [0, 0], [1, 0]],
    7: [[1, 1], [0, 1], [1, 0], [0, 0]],
    8: [[1, 0], [0, 0], [1, 1], [0, 1]],
}


@pytest.mark.parametrize("orientation", HELD)
def test_photos_stand_upright(file, orientation):
    stored = np.array([SCENE[y][x] for y, x in HELD[orientation]], np.uint8).reshape(2, 2, 3)
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(stored).save(file, "PNG", exif=exif)
    assert seen(file).tolist() == SCENE
    assert np.array_equal(np.asarray(read_rgb(file, "published", 224)), stored)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize(
    "exif",
    [b"Exif\0\0", b"Exif\0\0nonsense", b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12nonsense"],
)
def test_a_broken_note_of_the_camera_does_not_lose_the_photo(file, kind, exif):
    Image.new("RGB", (16, 8), RED).save(file, kind, exif=exif)
    assert seen(file).shape == (8, 16, 3)


def test_a_photo_is_turned_whose_note_of_the_camera_cannot_be_written_again(file):
    exif = Image.Exif()
    exif[274], exif[256] = 6, 16
    note = exif.tobytes().replace(b"\x01\0\0\x04", b"\x01\0\0\x0b")  # the width is a fraction
    Image.new("RGB", (16, 8), RED).save(file, "JPEG", exif=note)
    assert seen(file).shape == (16, 8, 3)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_the_first_picture_of_an_animation(file, kind):
    first, second = Image.new("RGB", (8, 8), RED), Image.new("RGB", (8, 8), BLUE)
    lossless = {"lossless": True} if kind == "WEBP" else {}
    first.save(file, kind, save_all=True, append_images=[second], **lossless)
    assert (seen(file) == RED).all()


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_ordinary_jpegs_are_those_of_the_published_code(file, mode):
    pixels = np.random.default_rng(0).integers(0, 256, (150, 200, 3), np.uint8)
    Image.fromarray(pixels).convert(mode).save(file, "JPEG")
    with Image.open(file) as image:
        reference = np.asarray(image.convert("RGB"))
    assert np.array_equal(seen(file), reference)
    assert np.array_equal(np.asarray(read_rgb(file, "published", 224)), reference)


@pytest.mark.parametrize(
    ("size", "decoded"),
    [
        ((2688, 2688), (672, 672)),  # exactly three times 224 at a quarter
        ((2688, 2684), (1344, 1342)),
        ((4000, 1344), (2000, 672)),
        ((4000, 1343), (4000, 1343)),  # too short for a half
        ((4001, 3000), (4001, 3000)),  # no scale divides both sides
        ((4000, 3001), (4000, 3001)),
    ],
)
def test_large_jpegs_are_decoded_smaller(file, size, decoded):
    Image.new("L", size).save(file, "JPEG")
    assert read_rgb(file, "as_seen", 224).size == decoded
    assert read_rgb(file, "published", 224).size == size


def test_huge_jpegs_are_decoded_at_an_eighth_and_others_refused(file, tmp_path, monkeypatch):
    Image.new("L", (800, 480), 9).save(file, "JPEG")
    Image.new("L", (800, 480), 9).save(tmp_path / "other", "PNG")
    content = file.read_bytes()
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    for decoding in ("published", "as_seen"):
        assert read_rgb(file, decoding, 224).size == (100, 60)
    assert open_image(BytesIO(content)).size == (100, 60)
    with pytest.raises(DataError, match=r"other \(more pixels than the limit of 2,000; make it"):
        seen(tmp_path / "other")


def test_a_jpeg_of_a_few_bytes_that_claims_millions_of_pixels_is_refused(file):
    Image.new("L", (16, 16), 9).save(file, "JPEG")
    content = file.read_bytes()
    frame = content.index(b"\xff\xc0") + 5  # behind marker, length and precision: its height
    file.write_bytes(content[:frame] + b"\xea\x60" * 2 + content[frame + 4 :])  # 60,000
    for source in (file, BytesIO(file.read_bytes())):
        with pytest.raises(DataError, match=f"{len(content)} bytes cannot hold 3,600,000,000 pix"):
            read_rgb(source, "published")


def test_a_machine_without_memory_is_no_broken_picture(file, monkeypatch):
    def full(*_: object) -> None:
        raise MemoryError

    Image.new("L", (4, 3)).save(file, "PNG")
    monkeypatch.setattr(Image.Image, "convert", full)
    with pytest.raises(MemoryError):
        read_rgb(file, "published")


@pytest.mark.parametrize("decoding", ["published", "as_seen"])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "TIFF", "WEBP", "BMP"])
def test_truncated_files_are_named(file, kind, decoding):
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(pixels).save(file, kind)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(DataError, match=r"cannot read .*picture \(.+\): replace the file or remo"):
        read_rgb(file, decoding, 224)


def test_tall_transparent_pictures_are_laid_on_white_without_seams(file):
    values = np.random.default_rng(0).integers(0, 256, (2 * STRIP + 7, 9, 4), np.uint8)
    image = Image.fromarray(values)
    image.save(file, "PNG")
    paper = Image.new("RGBA", image.size, "white")
    expected = np.asarray(Image.alpha_composite(paper, image).convert("RGB"))
    assert np.array_equal(seen(file), expected)


@pytest.mark.parametrize("decoding", ["published", "as_seen"])
def test_a_strip_that_resizing_would_blow_up_is_refused(file, decoding):
    Image.new("L", (1, LONGEST_RATIO + 1)).save(file, "PNG")
    with pytest.raises(DataError, match="1 x 101 pixels are a strip of more than 100:1; cut it"):
        read_rgb(file, decoding, 224)
    assert read_rgb(file, decoding).size == (1, LONGEST_RATIO + 1)  # nothing is resized
    Image.new("L", (LONGEST_RATIO, 1)).save(file, "PNG")
    assert read_rgb(file, decoding, 224).size == (LONGEST_RATIO, 1)


def test_too_many_pixels_are_refused_by_the_header():
    stream = BytesIO()
    Image.new("L", (20, 10)).save(stream, "PNG")
    header = stream.getvalue()[:45]  # the rest is not there, and not asked for
    require_size(cut := BytesIO(header), 200)
    assert cut.tell() == 0
    with pytest.raises(DataError, match="the image has 200 pixels, 199 are allowed"):
        require_size(BytesIO(header), 199)
    huge = header[:16] + (30_000).to_bytes(4, "big") * 2 + header[24:29]
    huge += zlib.crc32(huge[12:29]).to_bytes(4, "big") + header[33:]
    with pytest.raises(DataError, match="more than 178,956,970 pixels, 1,000 are allowed"):
        require_size(BytesIO(huge), 1000)


def test_formats_that_start_other_programs_are_not_read_from_strangers():
    stream = BytesIO()
    Image.new("L", (20, 10)).save(stream, "EPS")
    with pytest.raises(DataError, match="none of BMP, GIF, JPEG, PNG, PPM, TIFF, WEBP"):
        require_size(stream, 1000)


def test_postscript_under_the_name_of_a_picture_starts_no_program(file):
    Image.new("L", (20, 10)).save(file, "EPS")
    with pytest.raises(DataError, match="it is PostScript, which would start Ghostscript"):
        read_rgb(file, "published")
