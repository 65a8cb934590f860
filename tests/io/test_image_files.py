"""Image files: what is read faithfully, what is refused, and what comes back after writing."""

import struct

import cv2
import numpy as np
import pytest
import skimage.data
import tifffile
from PIL import Image as PillowImage
from PIL import ImageChops

from convcorr_jax.errors import InputError
from convcorr_jax.io import (
    decode_image,
    decode_labels,
    encoded_image_size,
    image_files,
    image_size,
    read_flow,
    read_image,
    read_labels,
    write_flow,
    write_image,
)
from tests.builders.bad_images import BAD_IMAGES, encoded, png, write_bad_image
from tests.builders.processes import end, start

PHOTOGRAPH = skimage.data.chelsea()[100:180, 150:260]


def saved(tmp_path, image, name="a.png", **options):
    image.save(tmp_path / name, **options)
    return read_image(tmp_path / name)


@pytest.mark.parametrize("mode", ["RGB", "L", "1", "P", "RGBA", "LA"])
def test_every_mode_becomes_colours_over_white_although_rows_are_converted_by_parts(tmp_path, mode):
    noise = PillowImage.fromarray(np.random.default_rng(0).integers(0, 256, (600, 20, 4), np.uint8))
    image = noise.convert("RGB").quantize(9) if mode == "P" else noise.convert(mode)
    layer = image.convert("RGBA")
    whole = PillowImage.alpha_composite(PillowImage.new("RGBA", layer.size, "white"), layer)
    np.testing.assert_array_equal(saved(tmp_path, image), np.asarray(whole.convert("RGB")))


def test_a_jpeg_of_thousands_of_scans_is_not_decoded(tmp_path, monkeypatch):
    image = PillowImage.fromarray(PHOTOGRAPH)
    image.save(tmp_path / "a.jpg", progressive=True)
    content = (tmp_path / "a.jpg").read_bytes()
    assert read_image(tmp_path / "a.jpg").shape == PHOTOGRAPH.shape
    scans = content.count(b"\xff\xda")
    assert 1 < scans < 20
    monkeypatch.setattr(image_files, "_MOST_DECODED_PIXELS", scans * image.width * image.height - 1)
    for read in (read_image, lambda path: decode_image(path.read_bytes(), name=str(path))):
        with pytest.raises(InputError, match=rf"a\.jpg is damaged .*its {scans} scans are more than"):
            read(tmp_path / "a.jpg")


def test_pillow_prints_nothing_beside_the_sentence(tmp_path, capfd):
    """A TIFF that states more samples a pixel than Pillow decodes, which it logs and raises."""
    PillowImage.fromarray(PHOTOGRAPH).save(tmp_path / "a.tif")
    content = bytearray((tmp_path / "a.tif").read_bytes())
    # The entry of the first folder with the tag 277, its type, its number of values, and its value.
    place = content.find(struct.pack("<HHL", 277, 3, 1))
    content[place + 8 : place + 10] = struct.pack("<H", 65535)
    (tmp_path / "a.tif").write_bytes(content)
    program = f"from convcorr_jax.io import read_image; read_image({str(tmp_path / 'a.tif')!r})"
    err = end(start("-c", program)).err
    assert err.startswith("Traceback")
    assert "InputError" in err.splitlines()[-1]


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparent_pixels_are_laid_over_white(tmp_path, mode):
    alpha = np.zeros(PHOTOGRAPH.shape[:2], np.uint8)
    alpha[:, 40:] = 255
    alpha[:, 20:40] = 128
    opaque = PillowImage.fromarray(PHOTOGRAPH).convert("RGB" if mode == "RGBA" else "L")
    expected = np.asarray(opaque.convert("RGB")).astype(float)
    opaque.putalpha(PillowImage.fromarray(alpha))
    found = saved(tmp_path, opaque)
    share = alpha[..., None] / 255
    np.testing.assert_allclose(found, share * expected + (1 - share) * 255, atol=1)


def test_a_transparent_palette_entry_is_white(tmp_path):
    palette = PillowImage.fromarray(PHOTOGRAPH).quantize(8)
    found = saved(tmp_path, palette, transparency=3)
    clear = np.asarray(palette) == 3
    assert clear.any()
    assert (found[clear] == 255).all()
    np.testing.assert_array_equal(found[~clear], np.asarray(palette.convert("RGB"))[~clear])


# What a camera means by each EXIF orientation: how the stored pixels become the upright image.
ORIENTATIONS = {
    1: lambda stored: stored,
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.transpose(1, 0, 2),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: stored[::-1, ::-1].transpose(1, 0, 2),
    8: lambda stored: np.rot90(stored, 1),
}


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_photographs_are_turned_upright(tmp_path, orientation):
    stored = PillowImage.fromarray(PHOTOGRAPH)
    exif = PillowImage.Exif()
    exif[0x0112] = orientation
    np.testing.assert_array_equal(saved(tmp_path, stored, exif=exif), ORIENTATIONS[orientation](PHOTOGRAPH))
    (path,) = tmp_path.iterdir()
    np.testing.assert_array_equal(read_image(path, upright=False), PHOTOGRAPH)
    assert image_size(path) == PHOTOGRAPH.shape[:2]


def test_exif_data_need_an_orientation_that_can_be_read_and_no_more():
    exif = PillowImage.Exif()
    exif[0x0112], exif[0x011A] = 6, 2.5
    # An integer that is stored as a fraction: Pillow cannot write it again.
    content = exif.tobytes().replace(b"\x01\x1a\0\x05", b"\x01\x07\0\x05")
    image = PillowImage.fromarray(PHOTOGRAPH)
    found = decode_image(encoded(image, "PNG", exif=content), name="a photograph")
    np.testing.assert_array_equal(found, ORIENTATIONS[6](PHOTOGRAPH))
    with pytest.raises(InputError, match=r"^a photograph is damaged or cut short: "):
        decode_image(encoded(image, "PNG", exif=b"Exif\0\0MM\0*\0\0"), name="a photograph")
    with pytest.raises(InputError, match=r"^a photograph is not an image"):
        encoded_image_size(b"no image", name="a photograph")


def test_labels_are_palette_indices_or_grey_levels(tmp_path):
    labels = np.arange(20 * 24, dtype=np.uint8).reshape(20, 24) % 21
    labels[0] = 255
    palette = PillowImage.fromarray(labels, mode="P")
    palette.putpalette([channel for index in range(256) for channel in (255 - index, index, 7)])
    for image in (palette, PillowImage.fromarray(labels)):
        image.save(tmp_path / "labels.png")
        np.testing.assert_array_equal(read_labels(tmp_path / "labels.png"), labels)
    with pytest.raises(InputError, match="is a RGB image; labels are grey levels"):
        decode_labels(encoded(palette.convert("RGB"), "PNG"), name="a mask")


def packed(labels: np.ndarray, bits: int) -> np.ndarray:
    """Rows of labels of a few bits each, the first one in the highest bits, filled up to whole bytes."""
    stored = np.unpackbits(labels[..., None], axis=-1)[..., -bits:]
    return np.packbits(stored.reshape(len(labels), -1), axis=-1)


def tiff(labels: np.ndarray, bits: int, *, white_is_zero: bool, orientation: int = 1) -> bytes:
    """A TIFF file of grey levels of a few bits, which Pillow does not write."""
    rows = packed(labels, bits).tobytes()
    height, width = labels.shape
    tags = {256: width, 257: height, 258: bits, 259: 1, 262: int(not white_is_zero), 273: 0}
    tags |= {274: orientation, 277: 1, 278: height, 279: len(rows)}
    tags[273] = 8 + 2 + 12 * len(tags) + 4
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + entries + bytes(4) + rows


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_labels_are_the_stored_numbers_of_few_bits(rng, bits):
    labels = rng.integers(0, 2**bits, (20, 23), dtype=np.uint8)
    files = [png(23, 20, depth=bits, kind=0, rows=np.pad(packed(labels, bits), ((0, 0), (1, 0))).tobytes())]
    files += [tiff(labels, bits, white_is_zero=inverted) for inverted in (False, True)]
    for content in files:
        np.testing.assert_array_equal(decode_labels(content, name="a mask"), labels)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_stored_and_upright_mean_the_same_in_every_format(rng, orientation):
    stored = rng.integers(0, 256, (20, 23), dtype=np.uint8)
    exif = PillowImage.Exif()
    exif[0x0112] = orientation
    turned = ORIENTATIONS[orientation](stored[..., None])
    png_content = encoded(PillowImage.fromarray(stored), "PNG", exif=exif)
    for content in (png_content, tiff(stored, 8, white_is_zero=False, orientation=orientation)):
        np.testing.assert_array_equal(decode_labels(content, name="a mask"), stored)
        np.testing.assert_array_equal(decode_image(content, name="a scan", upright=False)[..., 0], stored)
        np.testing.assert_array_equal(decode_image(content, name="a scan")[..., :1], turned)
        assert encoded_image_size(content, name="a scan") == stored.shape


def test_labels_that_jpeg_changes_and_grey_bmp_that_pillow_misreads_are_refused():
    labels = PillowImage.fromarray(np.zeros((20, 24), np.uint8))
    with pytest.raises(InputError, match="is compressed as JPEG, which changes labels"):
        decode_labels(encoded(labels, "JPEG"), name="a mask")
    # Of its 256 colours, all but black and white are removed from the head.
    content = bytearray(encoded(labels, "BMP"))
    content[46:50], content[58:62] = struct.pack("<I", 2), b"\xff\xff\xff\0"
    for decode in (decode_labels, decode_image):
        with pytest.raises(InputError, match="a palette of greys that cannot be read"):
            decode(bytes(content), name="a mask")


def test_of_an_animation_the_first_frame_is_taken(tmp_path):
    frames = [PillowImage.new("RGB", (20, 20), color) for color in ("red", "blue")]
    found = saved(tmp_path, frames[0], "a.gif", save_all=True, append_images=frames[1:])
    assert (found == [255, 0, 0]).all()


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("options", ["png", {"byteorder": "<"}, {"byteorder": ">"}, {"compression": "zlib"}])
def test_the_upper_half_of_16_bits_is_read(rng, tmp_path, options, channels):
    path, deep = tmp_path / "a.png", rng.integers(0, 2**16, (600, 20, channels), dtype=np.uint16)
    deep[0], deep[1:, :10, 3:], deep[1:, 10:, 3:] = 65535, 0, 65535
    if options == "png":
        cv2.imwrite(str(path), deep[..., [2, 1, 0, 3][:channels]] if channels > 1 else deep)
    else:
        kind = {1: {"photometric": "minisblack"}, 4: {"extrasamples": ["unassalpha"]}}.get(channels, {})
        tifffile.imwrite(path, deep.squeeze(), **{"photometric": "rgb", **kind, **options})
    expected = np.broadcast_to(deep[..., :3] / 257, (600, 20, 3)).copy()
    if channels == 4:
        expected[1:, :10] = 255
    found = read_image(path)
    assert (found[0] == 255).all()
    assert np.abs(found - expected).max() < 1


def test_inks_become_colours_whether_or_not_they_are_inverted(tmp_path):
    photograph = PillowImage.fromarray(PHOTOGRAPH).convert("CMYK")
    expected = np.asarray(photograph.convert("RGB"))
    np.testing.assert_array_equal(saved(tmp_path, photograph, "a.tif"), expected)
    # Pillow writes as Adobe's programs do, and OpenCV reads so.
    by_adobe = saved(tmp_path, photograph, "a.jpg", quality=100, subsampling=0)
    np.testing.assert_allclose(by_adobe, cv2.imread(str(tmp_path / "a.jpg"))[..., ::-1], atol=2)
    content = encoded(ImageChops.invert(photograph), "JPEG", quality=100, subsampling=0)
    start = content.index(b"\xff\xee\0\x0eAdobe")
    plain = decode_image(content[:start] + content[start + 16 :], name="inks without Adobe's mark")
    for found in (by_adobe, plain):
        np.testing.assert_allclose(found, expected, atol=12)
        assert np.abs(found.astype(int) - expected).mean() < 2


def test_avif_and_heic_are_read(tmp_path):
    image = PillowImage.fromarray(PHOTOGRAPH)
    assert np.abs(saved(tmp_path, image, "a.avif", quality=95).astype(int) - PHOTOGRAPH).mean() < 4
    head = tmp_path / "head.jpg"
    head.write_bytes(b"\0\0\0 ftypheic" + bytes(90))
    with pytest.raises(InputError, match=r"pip install pillow-heif|damaged or cut short|is not an image"):
        read_image(head)
    pytest.importorskip("pillow_heif").register_heif_opener()
    assert np.abs(saved(tmp_path, image, "a.heic", quality=95).astype(int) - PHOTOGRAPH).mean() < 4


@pytest.mark.parametrize("name", BAD_IMAGES)
def test_what_cannot_be_read_faithfully_is_refused(tmp_path, name):
    path, sentence = write_bad_image(tmp_path, name)
    with pytest.raises(InputError, match=sentence) as refused:
        read_image(path)
    assert str(path) in str(refused.value)


@pytest.mark.parametrize(("ending", "start"), [(".jpg", b"\xff\xd8"), (".png", b"\x89PNG")])
def test_the_ending_decides_on_the_format(tmp_path, ending, start):
    path = tmp_path / f"a{ending}"
    write_image(path, PHOTOGRAPH)
    assert path.read_bytes().startswith(start)
    assert ending == ".jpg" or (read_image(path) == PHOTOGRAPH).all()


def test_flows_are_those_of_opencv(rng, tmp_path):
    flow = rng.normal(0, 9, (5, 7, 2)).astype(np.float32)
    cv2.writeOpticalFlow(str(tmp_path / "cv.flo"), flow)
    np.testing.assert_array_equal(read_flow(tmp_path / "cv.flo"), flow)
    flow[2, 3] = np.nan
    write_flow(tmp_path / "own.flo", flow)
    np.testing.assert_array_equal(read_flow(tmp_path / "own.flo"), flow)
    assert cv2.readOpticalFlow(str(tmp_path / "own.flo"))[2, 3, 0] > 1e9


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda content: content[:-1], "states 7 x 5 pixels, and has 291 bytes; it is damaged"),
        (lambda content: b"PIEJ" + content[4:], "is no flow in Middlebury's format"),
        (lambda content: content[:4] + (2**31 - 1).to_bytes(4, "little") + content[8:], "it is damaged"),
        (lambda content: content[:9], "is no flow in Middlebury's format"),
    ],
)
def test_damaged_flows_are_refused(tmp_path, change, sentence):
    path = tmp_path / "a.flo"
    write_flow(path, np.zeros((5, 7, 2), np.float32))
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(InputError, match=sentence):
        read_flow(path)
