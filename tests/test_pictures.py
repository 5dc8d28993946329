"""Pictures of any kind come as upright arrays of bytes; bad ones are one line."""

from __future__ import annotations

import io
import os
import random
import stat
import subprocess
import sys
import threading
import time
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, TiffImagePlugin

from seqdl_data.errors import InputError
from seqdl_data.pictures import open_pages, open_picture

RAMP = np.tile(np.arange(0, 240, 8, dtype=np.uint8), (20, 1))  # (20, 30), lighter to the right
MARKED = RAMP.copy()
MARKED[0, 0] = 250


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


GREY = Image.fromarray(MARKED)
COLOUR = Image.merge("RGB", [GREY, GREY.transpose(Image.Transpose.ROTATE_180), Image.new("L", GREY.size, 7)])


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "GIF", "BMP", "PPM"])
def test_grey_pictures_are_grey(kind: str) -> None:
    picture = open_picture(encoded(GREY, kind), grey=kind == "GIF")
    np.testing.assert_array_equal(picture.pixels, MARKED)
    assert (picture.pixels.dtype, picture.notes, picture.pages) == (np.uint8, (), 1)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "PPM"])
def test_coloured_pictures_are_coloured_unless_grey_is_asked(kind: str) -> None:
    content = encoded(COLOUR, kind)
    np.testing.assert_array_equal(open_picture(content).pixels, np.asarray(COLOUR))
    np.testing.assert_array_equal(open_picture(content, grey=True).pixels, np.asarray(COLOUR.convert("L")))


@pytest.mark.parametrize(("kind", "options"), [("JPEG", {"quality": 95}), ("WEBP", {"quality": 95})])
def test_lossy_pictures_are_near(kind: str, options: dict) -> None:
    found = open_picture(encoded(GREY, kind, **options), grey=True).pixels
    assert np.abs(found.astype(int) - RAMP).mean() < 4


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_pictures_are_turned_as_the_camera_was_held(kind: str, turn: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = turn
    quadrants = np.zeros((16, 32), np.uint8)
    quadrants[:8, :16], quadrants[:8, 16:], quadrants[8:, :16] = 240, 160, 80
    sideways = {  # what the camera stores where the upright picture is `quadrants`
        1: quadrants, 2: quadrants[:, ::-1], 3: quadrants[::-1, ::-1], 4: quadrants[::-1],
        5: quadrants.T, 6: np.rot90(quadrants), 7: quadrants[::-1, ::-1].T, 8: np.rot90(quadrants, -1),
    }[turn]  # fmt: skip
    found = open_picture(encoded(Image.fromarray(np.ascontiguousarray(sideways)), kind, exif=exif)).pixels
    assert found.shape == quadrants.shape
    assert np.abs(found.astype(int) - quadrants).max() < 8
    assert found.flags.c_contiguous


@pytest.mark.parametrize("exif", [b"Exif\0\0garbage", b"Exif\0\0II*\0\xff\xff\xff\xff"])
def test_nonsense_in_exif_leaves_the_picture_as_it_is(exif: bytes) -> None:
    assert open_picture(encoded(GREY, "JPEG", exif=exif)).pixels.shape == (20, 30)


# Pixels of every kind


def test_16_bits_are_reduced_to_8() -> None:
    picture = open_picture(encoded(Image.fromarray(MARKED.astype(np.uint16) * 257), "PNG"))
    np.testing.assert_array_equal(picture.pixels, MARKED)
    assert picture.notes == ("more than 8 bits a pixel, reduced to 8",)


@pytest.mark.parametrize(("bits", "kind"), [(10, "PNG"), (12, "TIFF"), (16, "TIFF")])
def test_pictures_of_10_and_12_bits_are_as_bright_as_others(bits: int, kind: str) -> None:
    found = open_picture(encoded(Image.fromarray(MARKED.astype(np.uint16) << (bits - 8)), kind)).pixels
    np.testing.assert_array_equal(found, MARKED)


@pytest.mark.parametrize(
    "levels",
    [MARKED.astype(np.int32), MARKED.astype(np.int32) * 65536, MARKED.astype(np.float32), MARKED / np.float32(255)],
    ids=["int", "large int", "float", "share"],
)
def test_integers_and_floats_are_reduced_to_8_bits(levels: np.ndarray) -> None:
    np.testing.assert_array_equal(open_picture(encoded(Image.fromarray(levels), "TIFF")).pixels, MARKED)


def test_what_is_no_number_is_black() -> None:
    levels = MARKED.astype(np.float32)
    levels[3, :3] = np.nan, np.inf, -5
    assert open_picture(encoded(Image.fromarray(levels), "TIFF")).pixels[3, :3].tolist() == [0, 0, 0]


@pytest.mark.parametrize("mode", ["1", "P", "LA", "RGBA", "CMYK", "YCbCr"])
def test_every_mode_is_seen_as_it_looks(mode: str) -> None:
    black_and_white = GREY.point(lambda level: 255 * (level > 99))
    content = encoded(black_and_white.convert("RGB").convert(mode), "PNG" if mode not in ("CMYK", "YCbCr") else "TIFF")
    found = open_picture(content, grey=True).pixels
    assert np.abs(found.astype(int) - np.asarray(black_and_white)).max() <= 2


def test_an_inverted_cmyk_jpeg_is_right() -> None:
    found = open_picture(encoded(GREY.convert("RGB").convert("CMYK"), "JPEG", quality=95), grey=True).pixels
    assert np.abs(found.astype(int) - RAMP).mean() < 6


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_what_is_transparent_shows_white_paper(mode: str) -> None:
    image = GREY.convert(mode)
    alpha = np.full((20, 30), 255, np.uint8)
    alpha[:, :10], alpha[:, 10:20] = 0, 128
    image.putalpha(Image.fromarray(alpha))
    picture = open_picture(encoded(image, "PNG"), grey=True)
    assert (picture.pixels[:, :10] == 255).all()
    np.testing.assert_allclose(picture.pixels[:, 10:20], RAMP[:, 10:20] / 2 + 127.5, atol=1.5)
    np.testing.assert_array_equal(picture.pixels[:, 20:], RAMP[:, 20:])
    assert picture.notes == ("what is transparent is taken for white paper",)


def test_a_transparent_colour_of_a_palette_shows_white_paper() -> None:
    image = Image.fromarray((MARKED > 100).astype(np.uint8), "L").convert("P")
    image.putpalette([0, 0, 0, 0, 0, 255])
    found = open_picture(encoded(image, "PNG", transparency=0)).pixels
    assert found[5, 0].tolist() == [255, 255, 255]
    assert found[5, 29].tolist() == [0, 0, 255]


def test_one_pixel_is_a_picture() -> None:
    assert open_picture(encoded(Image.new("L", (1, 1), 9), "PNG")).pixels.tolist() == [[9]]


# Several frames


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_of_an_animation_the_first_frame_is_read(kind: str) -> None:
    more = {"save_all": True, "append_images": [Image.new("L", GREY.size, 99)]}
    lossless = {"lossless": True} if kind == "WEBP" else {}
    picture = open_picture(encoded(GREY, kind, **more, **lossless), grey=True)
    np.testing.assert_array_equal(picture.pixels, MARKED)
    assert picture.notes == ("animated, its first frame is read",)


def test_all_pages_of_a_tiff_are_read() -> None:
    content = encoded(GREY, "TIFF", save_all=True, append_images=[COLOUR, Image.new("1", (5, 9), 1)])
    pages = list(open_pages(content))
    assert [page.pixels.shape for page in pages] == [(20, 30), (20, 30, 3), (9, 5)]
    assert [(page.page, page.pages) for page in pages] == [(1, 3), (2, 3), (3, 3)]
    assert open_picture(content).notes == ("page 1 of 3",)


def test_a_smaller_copy_of_a_page_is_no_page() -> None:
    stream = io.BytesIO()
    with TiffImagePlugin.AppendingTiffWriter(stream, True) as writer:
        GREY.save(writer, "TIFF")
        writer.newFrame()
        GREY.resize((3, 2)).save(writer, "TIFF", tiffinfo={254: 1})
    assert len(list(open_pages(stream.getvalue()))) == 1


def test_a_damaged_page_is_named_after_those_before() -> None:
    content = encoded(GREY, "TIFF", save_all=True, append_images=[COLOUR], compression="tiff_lzw")
    pages = open_pages(content[:-40] + bytes(range(40)))
    assert next(pages).pixels.shape == (20, 30)
    with pytest.raises(InputError, match="picture: page 2: damaged"):
        next(pages)


# Where pictures come from


def test_a_file_a_pipe_and_standard_input_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = encoded(GREY, "PNG")
    path, pipe = tmp_path / "a.dat", tmp_path / "pipe"
    path.write_bytes(content)
    os.mkfifo(pipe)
    threading.Thread(target=pipe.write_bytes, args=(content,)).start()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    for source in (path, str(path), pipe, "-"):
        np.testing.assert_array_equal(open_picture(source).pixels, MARKED)


HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200)
BAD = {
    "empty": (b"", "empty, 0 bytes"),
    "text": (b"just some words, no picture at all", "not a picture, or damaged at its beginning; expected PNG, JPEG"),
    "heic": (HEIC, "HEIC is not read; convert it to JPEG or PNG"),
    "pdf": (b"%PDF-1.7\n%more", "a PDF, not a picture"),
    "eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a picture"),
    "truncated": (encoded(COLOUR.resize((300, 200)), "JPEG")[:-900], "damaged, .*truncated"),
    "truncated png": (encoded(COLOUR, "PNG")[:50], "damaged"),
    "header": (encoded(GREY, "PNG")[:20], "damaged|not a picture"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_picture_is_one_line_that_names_it(tmp_path: Path, case: str) -> None:
    content, message = BAD[case]
    path = tmp_path / "photo.jpg"
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"photo\.jpg: .*({message})") as failure:
        open_picture(path)
    assert "\n" not in str(failure.value)
    with pytest.raises(InputError, match=message):
        open_picture(content)


def test_a_folder_a_missing_and_a_forbidden_file_are_input_errors(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a folder, expected a picture"):
        open_picture(tmp_path)
    with pytest.raises(InputError, match="No such file"):
        open_picture(tmp_path / "gone.png")
    path = tmp_path / "mine.png"
    path.write_bytes(b"x")
    path.chmod(0)
    if os.geteuid() and not stat.S_IMODE(path.stat().st_mode):
        with pytest.raises(InputError, match="Permission denied"):
            open_picture(path)


# Limits


def header_alone(wide: int, high: int) -> bytes:
    """A PNG that claims a size, and holds nothing."""
    content = bytearray(encoded(Image.new("L", (1, 1)), "PNG"))
    content[16:24] = wide.to_bytes(4, "big") + high.to_bytes(4, "big")
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    return bytes(content)


def test_a_huge_picture_is_refused_before_it_is_decoded() -> None:
    started = time.monotonic()
    with pytest.raises(InputError, match="900,000,000 pixels, above the limit of 120,000,000"):
        open_picture(header_alone(30_000, 30_000))
    assert time.monotonic() - started < 1


def test_the_limit_is_the_callers() -> None:
    content = encoded(GREY, "PNG")
    assert open_picture(content, max_pixels=600).pixels.shape == (20, 30)
    with pytest.raises(InputError, match="pixels, above the limit of 599"):
        open_picture(content, max_pixels=599)
    with pytest.raises(InputError, match="damaged"):  # and is past the limit
        open_picture(header_alone(20_000, 20_000), max_pixels=400_000_000)


def test_pillows_own_limit_and_warnings_are_left_alone() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Image, "MAX_IMAGE_PIXELS", 250)  # 600 pixels would raise, 300 to 500 warn
        with warnings.catch_warnings(record=True) as heard:
            open_picture(encoded(GREY, "PNG"))
        assert Image.MAX_IMAGE_PIXELS == 250
        assert not heard


def peak_in_mb(code: str) -> float:
    """How far the memory of a new process grows while it runs `code`."""
    lines = f"""
import PIL.Image, numpy, seqdl_data.pictures, seqdl_data.picture_modes
PIL.Image.init()
def peak(): return int(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
before = peak()
{code}
print((peak() - before) / 1024)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", lines], capture_output=True, check=True, env=environment)
    return float(done.stdout)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_a_photo_of_12_megapixels_takes_less_than_100_mb(tmp_path: Path) -> None:
    Image.merge("RGB", [Image.linear_gradient("L").resize((4000, 3000))] * 3).save(tmp_path / "p.jpg")
    assert 12 < peak_in_mb(f"seqdl_data.pictures.open_picture({str(tmp_path / 'p.jpg')!r}, grey=True)") < 100


# Mutated files


def drawing() -> Image.Image:
    image = Image.new("RGB", (97, 61), "white")
    draw = ImageDraw.Draw(image)
    draw.line((5, 5, 80, 50), "navy", 4)
    draw.ellipse((20, 20, 60, 55), outline="black")
    return image


VARIANTS: dict[str, Callable[[Image.Image], bytes]] = {
    "jpeg": lambda i: encoded(i, "JPEG"),
    "progressive": lambda i: encoded(i, "JPEG", progressive=True, exif=b"Exif\0\0II*\0\x08\0\0\0\0\0"),
    "png": lambda i: encoded(i, "PNG"),
    "palette": lambda i: encoded(i.convert("P"), "PNG"),
    "tiff": lambda i: encoded(i, "TIFF", save_all=True, append_images=[i.convert("L")]),
    "lzw": lambda i: encoded(i, "TIFF", compression="tiff_lzw"),
    "deflate": lambda i: encoded(i, "TIFF", compression="tiff_adobe_deflate"),
    "fax": lambda i: encoded(i.convert("1"), "TIFF", compression="group4"),
    "gif": lambda i: encoded(i, "GIF", save_all=True, append_images=[i.rotate(9)]),
    "bmp": lambda i: encoded(i, "BMP"),
    "webp": lambda i: encoded(i, "WEBP"),
    "ppm": lambda i: encoded(i, "PPM"),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_mutated_files_are_read_or_refused_in_silence(variant: str, capfd: pytest.CaptureFixture[str]) -> None:
    source, chance = VARIANTS[variant](drawing()), random.Random(variant)
    refused = 0
    for _ in range(170):
        content = bytearray(source)
        for _ in range(chance.choice((1, 1, 3, 20))):
            content[chance.randrange(min(len(content), chance.choice((100, 10**9))))] = chance.randrange(256)
        cut = chance.randrange(len(content)) if chance.random() < 0.3 else len(content)
        started = time.monotonic()
        try:
            assert all(page.pixels.size for page in open_pages(bytes(content[:cut])))
        except InputError as error:
            refused += "\n" not in str(error)
        assert time.monotonic() - started < 5
    assert refused > 20
    assert capfd.readouterr() == ("", "")
