import math
from pathlib import Path

import numpy as np
import pytest
import torch

from chorus.errors import InputError
from chorus.teachers.phi_s import PhiS
from chorus.teachers.row_codec import CHUNK, CodedRows, code_rows, from_haar, to_haar
from chorus.teachers.rows import RowFile, curve_order, fit_phi_s, save_rows


def smooth_rows(count: int, channels: int = 24, *, seed: int = 0, offset: float = 1.0) -> tuple[torch.Tensor, ...]:
    """Centres in a box and features that vary slowly in space, with a little noise and a falling spectrum."""
    generator = torch.Generator().manual_seed(seed)
    means = torch.rand(count, 3, generator=generator) * torch.tensor([4.0, 3.0, 2.4])
    waves = torch.randn(3, channels, generator=generator)
    noise = 0.1 * torch.randn(count, channels, generator=generator)
    power = 1.0 / (1.0 + torch.arange(channels))
    return means, (torch.sin(means @ waves) + noise) * power + offset


def written(folder: Path, count: int = 3000, *, error: float = 0.01, seed: int = 0) -> tuple:
    means, rows = smooth_rows(count, seed=seed)
    order = curve_order(means)
    valid = torch.rand(count, generator=torch.Generator().manual_seed(1)) > 0.2
    coded = code_rows(rows[order], valid, error=error)
    folder.mkdir(parents=True, exist_ok=True)
    save_rows(folder / "rows.safetensors", {"lang": coded}, valid={"lang": valid}, order=order, teachers={"lang": "t"})
    return rows[order], valid, coded


def decoded(coded: CodedRows) -> torch.Tensor:
    """[chunks * CHUNK, C]"""
    z = torch.cat([coded.code.unpack(stream) for stream in coded.streams])
    return coded.code.mean + z @ coded.code.basis


def test_haar_is_orthonormal_and_its_inverse_is_exact():
    x = torch.randn(2, CHUNK, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    coded = to_haar(x)
    torch.testing.assert_close(from_haar(coded), x)
    torch.testing.assert_close(coded.square().sum(dim=1), x.square().sum(dim=1))
    torch.testing.assert_close(coded[:, 0], x.mean(dim=1) * CHUNK**0.5)  # the first is the mean


@pytest.mark.parametrize("count", [1, 5, CHUNK, CHUNK + 1, 3000])
@pytest.mark.parametrize("error", [0.2, 0.01, 0.001])
def test_rows_come_back_to_the_error_asked_for(count, error):
    _, rows = smooth_rows(count)
    valid = torch.ones(count, dtype=torch.bool)
    coded = code_rows(rows, valid, error=error)
    back = decoded(coded)[:count]
    variance = float((rows - rows.mean(dim=0)).square().sum())
    found = float((back - rows).square().sum())
    assert found <= 1.02 * error * variance + 1e-9
    assert abs(coded.figures["error"] - (found / variance if variance else 0.0)) < 1e-3 * error + 1e-6


def test_bits_spread_by_error_beat_whole_bytes_of_the_leading_axes():
    """Of the same bytes: the rows' codes, against int8 of as many leading axes as fit."""
    means, rows = smooth_rows(20_000, 64)
    rows = rows[curve_order(means)]
    coded = code_rows(rows, torch.ones(len(rows), dtype=torch.bool), error=0.05)
    size = sum(map(len, coded.streams)) + coded.code.axes.numel()
    centered = rows - rows.mean(dim=0)
    _, _, axes = torch.linalg.svd(centered, full_matrices=False)
    kept = max(1, size // len(rows))
    z = centered @ axes[:kept].T
    step = z.abs().amax(dim=0) / 127
    plain = (z / step).round() * step @ axes[:kept]
    assert coded.figures["error"] < 0.8 * float((plain - centered).square().sum() / centered.square().sum())


def test_rows_without_a_target_cost_next_to_nothing():
    _, rows = smooth_rows(4096)
    valid = torch.zeros(4096, dtype=torch.bool)
    valid[::16] = True
    noise = torch.where(valid[:, None], rows, 1e3 * torch.randn(rows.shape, generator=torch.Generator().manual_seed(3)))
    some, every = code_rows(noise, valid, error=0.01), code_rows(rows, torch.ones_like(valid), error=0.01)
    assert sum(map(len, some.streams)) < 0.35 * sum(map(len, every.streams))
    back = decoded(some)
    assert (back - rows)[valid].square().sum() < 0.011 * (rows[valid] - rows[valid].mean(dim=0)).square().sum()
    none = code_rows(rows, torch.zeros_like(valid), error=0.01)
    assert none.code.axes.shape == (0, 24) and none.code.unpack(none.streams[0]).shape == (CHUNK, 0)


def test_constant_rows_and_large_codes():
    flat = code_rows(torch.full((10, 4), 3.0), torch.ones(10, dtype=torch.bool), error=0.01)
    assert torch.equal(decoded(flat)[:10], torch.full((10, 4), 3.0))
    rows = torch.where(torch.arange(2 * CHUNK)[:, None] < CHUNK, -50.0, 50.0) + smooth_rows(2 * CHUNK, 4)[1]
    wide = code_rows(rows, torch.ones(len(rows), dtype=torch.bool), error=1e-5)  # codes beyond a byte
    assert wide.figures["error"] < 1e-4


def test_curve_order_keeps_neighbours_together_and_depends_on_places_alone():
    means = torch.rand(5000, 3, generator=torch.Generator().manual_seed(0))
    order = curve_order(means)
    assert order.sort().values.equal(torch.arange(5000))
    steps = means[order].diff(dim=0).norm(dim=1).mean()
    assert steps < 0.2 * means.diff(dim=0).norm(dim=1).mean()
    torch.testing.assert_close(means[order], (2 * means)[curve_order(2 * means)] / 2)


def test_a_file_reads_back_whole_and_by_chunk(tmp_path):
    rows, valid, coded = written(tmp_path)
    file = RowFile.open(tmp_path)
    assert (len(file), file.roles, file.channels, file.teachers) == (3000, ("lang",), {"lang": 24}, {"lang": "t"})
    assert torch.equal(file.valid("lang"), valid) and file.figures("lang")["valid"] == int(valid.sum())
    whole = file.features("lang")
    assert not whole[~valid].any()
    error = (whole - rows)[valid].square().sum() / (rows[valid] - rows[valid].mean(dim=0)).square().sum()
    assert error < 0.0105
    for chunks in ([0], [1, 2], [2], [0, 2]):
        taken = torch.cat([torch.arange(3000).split(CHUNK)[chunk] for chunk in chunks])
        torch.testing.assert_close(file.features("lang", chunks), whole[taken])
    size = (tmp_path / "rows.safetensors").stat().st_size
    assert file.figures("lang")["bytes"] < size < file.figures("lang")["bytes"] + 2000
    written(tmp_path / "again")
    assert (tmp_path / "again/rows.safetensors").read_bytes() == (tmp_path / "rows.safetensors").read_bytes()


def test_phi_s_of_several_files_is_that_of_their_rows(tmp_path):
    files, rows = [], []
    for seed in range(3):
        written(tmp_path / str(seed), error=0.001, seed=seed)
        files.append(RowFile.open(tmp_path / str(seed)))
        rows.append(files[-1].features("lang")[files[-1].valid("lang")])
    found, expected = fit_phi_s(files, "lang"), PhiS.fit(rows)
    assert math.isclose(found.scale, expected.scale, rel_tol=0.01)
    torch.testing.assert_close(found.mean, expected.mean, atol=0.01, rtol=0)
    z = found.apply(torch.cat(rows))
    torch.testing.assert_close(z.square().mean(dim=0), torch.ones(24), atol=0.08, rtol=0)
    matrix, offset = files[1].reading("lang", found)
    valid = files[1].valid("lang")
    read = (offset + files[1].coefficients("lang") @ matrix)[valid]
    torch.testing.assert_close(read, found.apply(rows[1]), atol=1e-4, rtol=0)


def test_identity_tells_files_apart_without_reading_their_rows(tmp_path):
    written(tmp_path / "a")
    written(tmp_path / "b", seed=1)
    first = RowFile.open(tmp_path / "a").identity()
    assert first == RowFile.open(tmp_path / "a").identity() != RowFile.open(tmp_path / "b").identity()


@pytest.mark.parametrize("cut", [0, 4, 300, 2000, -1])
def test_a_file_cut_short_is_one_line(tmp_path, cut):
    written(tmp_path)
    path = tmp_path / "rows.safetensors"
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(
        InputError, match=r"rows\.safetensors: expected the lifted rows.*Make the targets again"
    ) as caught:
        RowFile.open(tmp_path).features("lang")
    assert "\n" not in str(caught.value)


def test_a_damaged_chunk_is_named_and_the_others_still_read(tmp_path):
    written(tmp_path)
    path, file = tmp_path / "rows.safetensors", RowFile.open(tmp_path)
    whole = file.features("lang")
    content = bytearray(path.read_bytes())
    start = content.find(file._slice("lang", 0, 40))
    ends = file._tensor("lang", "ends").tolist()
    content[start + ends[1] - 5] ^= 0x10
    path.write_bytes(content)
    damaged = RowFile.open(tmp_path)
    torch.testing.assert_close(damaged.features("lang", [0, 2])[:CHUNK], whole[:CHUNK])
    with pytest.raises(InputError, match="checksum of chunk 1 of lang"):
        damaged.features("lang")


def test_a_stream_of_another_code_is_refused():
    _, rows = smooth_rows(CHUNK)
    valid = torch.ones(CHUNK, dtype=torch.bool)
    one, other = code_rows(rows, valid, error=0.01), code_rows(rows, valid, error=0.3)
    for stream in (other.streams[0], b"", b"\x03\x00", np.arange(50, dtype="u1").tobytes()):
        with pytest.raises(ValueError, match=r".+"):
            one.code.unpack(stream)


@pytest.mark.parametrize("count", [1, CHUNK, 3000])
def test_some_rows_are_those_of_the_whole(tmp_path, count):
    written(tmp_path, count)
    file, draw = RowFile.open(tmp_path), torch.Generator().manual_seed(count)
    whole = file.coefficients("lang")
    assert torch.equal(file.coefficients("lang", dtype=torch.float16), whole.half())
    for rows in (
        torch.arange(count),
        torch.randperm(count, generator=draw),
        torch.randint(0, count, (40,)),
        torch.arange(0),
    ):
        assert torch.equal(file.coefficients_at("lang", rows), whole[rows].half())
