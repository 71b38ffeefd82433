"""The network that is trained: its bicubic start, its expanded kernels, its int8 form, its files."""

import json
import pathlib
import subprocess
import sys
import types

import numpy
import pytest
import torch
from PIL import Image

import network
import photos
import picture_quality
import resize
import tail_fit
from int8_network import Int8Network, choose_codings
from round_weights import rounded_rows
from trainable import Trainable

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "python"))
from pipersr_export import model as exported_model  # noqa: E402


def pairs(folder):
    for path in photos.photos_in(folder / "HR"):
        files = folder / "LR" / path.name, path
        yield [torch.from_numpy(photos.decode(file.read_bytes()).copy()) for file in files]


def decibels(model, folder):
    return [picture_quality.psnr_y(picture_quality.enlarge(model, low), high, 2) for low, high in pairs(folder)]


@pytest.mark.parametrize("channels,scale", [(64, 2), (32, 2), (16, 2), (48, 3), (32, 4), (16, 4)])
def test_starts_as_bicubic_interpolation(channels, scale):
    low = numpy.random.default_rng(1).integers(0, 256, (20, 17, 3), dtype=numpy.uint8)
    torch.manual_seed(2)
    made = picture_quality.enlarge(Trainable(channels, 2, scale, expand=2), torch.from_numpy(low)).numpy().astype(int)
    wanted = resize.resize(low, 20 * scale, 17 * scale, scale).astype(int)
    inside = slice(3 * scale, -3 * scale)
    # imresize rounds and clamps between the directions, the network does not.
    difference = abs(made - wanted)[inside, inside]
    assert numpy.mean(difference > 1) < 0.02 and numpy.mean(difference) < 0.4


def test_random_start_draws_every_kernel():
    torch.manual_seed(2)
    model = Trainable(32, 2, 2, bicubic=False)
    kernels = [model.head.kernel, model.tail.kernel, *(c.kernel for block in model.body for c in block)]
    for kernel in kernels:
        assert float(kernel.detach().std()) == pytest.approx((9 * kernel.shape[1]) ** -0.5, rel=0.15)


def test_start_on_set5(sets):
    """Beyond the edges the network reads zeros where bicubic repeats the edge, hence not 33.674."""
    model = Trainable(64, 6, 2).collapsed()
    values = decibels(model, sets / "Set5")
    assert numpy.mean(values) == pytest.approx(33.665, abs=0.002)


def test_a_start_of_another_scale_gets_the_best_tail():
    """Patches that a network with another tail made: its tail is found, to the rounding of sums in fp32."""
    random = torch.Generator().manual_seed(7)
    torch.manual_seed(7)
    start, teacher, model = Trainable(16, 2, 2), Trainable(16, 2, 3), Trainable(16, 2, 3)
    for _, second in start.body:
        torch.nn.init.normal_(second.kernel, std=0.1)
    for each in (teacher, model):
        each.start_from(start.collapsed())
    torch.nn.init.normal_(teacher.tail.kernel, std=0.1)

    def patches(choices, side_px):
        low = torch.rand(len(choices), 3, side_px, side_px, generator=random)
        return low, teacher(low).detach()

    about = {"kind": "photo", "training": True, "height": 64, "width": 64, "lr_start_px": 0, "hr_start_px": 0}
    corpus = types.SimpleNamespace(
        pictures=[about], kinds=lambda: ["photo"], scale=3, device=torch.device("cpu"), patches=patches
    )
    tail_fit.fit(model, corpus, 1)
    low, wanted = patches(torch.zeros(2, 5), 20)
    assert (model(low) - wanted).abs().max() < 0.002 * wanted.std()


def test_expanded_kernels_are_one_kernel(tmp_path):
    torch.manual_seed(3)
    model = Trainable(16, 2, 2, expand=3)
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    x = torch.rand(2, 3, 11, 9)
    plain = model.collapsed()
    assert torch.allclose(model(x), plain(x), atol=1e-4)
    network.save(plain, tmp_path / "m.safetensors", "F32")
    again = Trainable(16, 2, 2, expand=3)
    again.start_from(network.load(tmp_path / "m.safetensors"))
    assert torch.allclose(again(x), plain(x), atol=1e-4)


def test_batch_norms_become_kernels():
    torch.manual_seed(5)
    model = Trainable(16, 2, 2, batch_norm=True)
    x = torch.rand(4, 3, 12, 12)
    assert torch.allclose(model(x), Trainable(16, 2, 2)(x), atol=1e-6)  # the start is bicubic all the same
    norms = [norm for pair in model.norms for norm in pair]
    for norm in norms:
        norm.factor.data.uniform_(0.5, 1.5)
        norm.offset.data.uniform_(-0.5, 0.5)
    for _ in range(200):  # until the running statistics are those of this batch
        made = model(x)
    variance = norms[0].variance.detach()
    assert (variance - 1).abs().max() > 0.1 and not variance.requires_grad
    # The running variance is the unbiased one, of 576 pixels.
    assert torch.allclose(made, model.collapsed()(x), atol=0.03 * float(made.detach().std()))
    made.sum().backward()
    assert all(norm.mean.grad is None and norm.variance.grad is None for norm in norms)


def test_rounding_makes_up_for_its_errors():
    torch.manual_seed(6)
    mixed = torch.randn(4000, 40) @ torch.randn(40, 40)  # not independent of each other
    mixed = mixed - mixed.mean(0)
    weights, covariance = torch.randn(8, 40) * torch.rand(40), (mixed.T @ mixed).double() / len(mixed)
    codes, step = rounded_rows(weights, covariance)
    assert torch.equal(codes, codes.round()) and codes.abs().amax(1).tolist() == [127.0] * 8
    nearest = torch.round(weights.double() / step[:, None])
    power = [float((((c * step[:, None] - weights) @ covariance) * (c * step[:, None] - weights)).sum())
             for c in (codes, nearest)]
    assert power[0] < 0.7 * power[1]
    zero, step = rounded_rows(torch.zeros(2, 40), covariance)
    assert not zero.any() and torch.equal(step, torch.ones_like(step))
    nothing_read, _ = rounded_rows(weights, torch.zeros_like(covariance))
    assert torch.equal(nothing_read, nearest)


def test_codings_cover_what_is_read():
    torch.manual_seed(4)
    plain = network.PiperSR(16, 2, 2)
    pictures = [torch.rand(2, 3, 16, 16) for _ in range(2)]
    codings = choose_codings(plain, pictures)
    assert sorted(codings) == sorted(
        f"body.{n}.conv{k}.input_{what}" for n in range(2) for k in (1, 2) for what in ("scale", "zero")
    )
    model = Int8Network(plain, codings)
    with torch.no_grad():
        difference = model(pictures[0]) - plain(pictures[0])
    assert 0 < difference.abs().mean() < 0.02 * plain(pictures[0]).abs().mean()


def test_gradients_of_codings_go_downhill():
    """Ranges that are far too short are learned to be longer."""
    torch.manual_seed(5)
    plain = network.PiperSR(16, 1, 2)
    x = torch.rand(2, 3, 16, 16)
    codings = choose_codings(plain, [x])
    for name in codings:
        if name.endswith("scale"):
            codings[name] = codings[name] / 8
    model, wanted = Int8Network(plain, codings), plain(x).detach()
    scales = [parameter for name, parameter in model.named_parameters() if "log_scale" in name]
    optimiser = torch.optim.Adam(scales, 0.05)
    losses = []
    for _ in range(60):
        loss = (model(x) - wanted).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.1 * losses[0]


def test_int8_agrees_with_the_engine(sets, program):
    """Rounding differs in the last bit and then spreads, so bytes differ; the quality must not."""
    file = ROOT / "models" / "pipersr-x2.safetensors"
    model = Int8Network(*network.read_int8(file))
    ours = decibels(model, sets / "Set5")
    command = [str(program), "bench", "quality", str(sets / "Set5"), "--model", str(file), "--precision", "int8"]
    done = subprocess.run([*command, "--json"], capture_output=True, text=True)
    if done.returncode == 4:  # no instructions for it here
        done = subprocess.run([*command, "--isa", "c", "--json"], capture_output=True, text=True)
    engine = [image["psnr_y"] for image in json.loads(done.stdout)["images"]]
    assert numpy.mean(ours) == pytest.approx(numpy.mean(engine), abs=0.005)
    assert ours == pytest.approx(engine, abs=0.03)


def test_blended_weights(script, tmp_path):
    for name, seed in (("old", 1), ("new", 2)):
        torch.manual_seed(seed)
        network.save(Trainable(16, 1, 2).collapsed(), tmp_path / f"{name}.safetensors", "F32")
    out, old = tmp_path / "out.safetensors", tmp_path / "old.safetensors"
    script("export.py", tmp_path / "new.safetensors", "--blend", old, 0.3, "--out", out, "--dtype", "F32",
           "--name", "blend", "--training", "none")
    first, second, made = (network.load(path).state_dict() for path in (old, tmp_path / "new.safetensors", out))
    assert any(not torch.equal(first[name], second[name]) for name in made)
    for name, weight in made.items():
        assert torch.allclose(weight, 0.3 * first[name] + 0.7 * second[name], atol=1e-6), name


def test_exported_file_runs_in_the_program(program, script, tmp_path):
    torch.manual_seed(6)
    trained = Trainable(32, 2, 2)
    for parameter in trained.parameters():
        parameter.data += 0.01 * torch.randn_like(parameter)
    plain = trained.collapsed()
    codings = choose_codings(plain, [torch.rand(1, 3, 32, 32)])
    network.save(plain, tmp_path / "last.safetensors", "F32", codings)
    out = tmp_path / "small.safetensors"
    notes = ["--training", "none at all", "--description", "small pictures"]
    script("export.py", tmp_path / "last.safetensors", "--out", out, "--name", "small", *notes)
    info = subprocess.run([str(program), "info", "--model", str(out)], capture_output=True, text=True)
    assert info.returncode == 0 and "small" in info.stdout and "none at all" in info.stdout, info
    assert "small pictures" in info.stdout, info

    low = (numpy.random.default_rng(7).random((16, 20, 3)) * 255).astype(numpy.uint8)
    Image.fromarray(low).save(tmp_path / "low.png")
    rounded = network.load(out)
    for precision in ("fp32", "int8"):
        made = tmp_path / f"{precision}.png"
        command = [program, "upscale", tmp_path / "low.png", "-o", made, "--model", out, "--isa", "c"]
        done = subprocess.run([*map(str, command), "--precision", precision], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        model = rounded if precision == "fp32" else Int8Network(rounded, network.read(out)[1])
        wanted = picture_quality.enlarge(model, torch.from_numpy(low)).numpy().astype(int)
        difference = abs(photos.decode(made.read_bytes()).astype(int) - wanted)
        assert difference.max() <= (1 if precision == "fp32" else 3) and (difference > 0).mean() < 0.2


def test_int8_with_parameters_of_its_own(program, script, tmp_path):
    """One file does what two did: fp32 and 16 bits do not see what int8 needed, nor the other way round."""
    for name, seed in (("plain", 1), ("tuned", 2)):
        torch.manual_seed(seed)
        trained = Trainable(32, 1, 2)
        for parameter in trained.parameters():
            parameter.data += 0.01 * torch.randn_like(parameter)
        made = trained.collapsed()
        network.save(made, tmp_path / f"{name}.safetensors", "F32", choose_codings(made, [torch.rand(1, 3, 32, 32)]))
    both = tmp_path / "both.safetensors"
    script("export.py", tmp_path / "plain.safetensors", "--int8", tmp_path / "tuned.safetensors", "--out", both,
           "--dtype", "F32", "--name", "both", "--training", "none")
    low = (numpy.random.default_rng(7).random((16, 20, 3)) * 255).astype(numpy.uint8)
    Image.fromarray(low).save(tmp_path / "low.png")

    def bytes_of(model, precision):
        out = tmp_path / "out.png"
        command = [program, "upscale", tmp_path / "low.png", "-o", out, "--force", "--isa", "c"]
        command += ["--model", tmp_path / f"{model}.safetensors", "--precision", precision]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return photos.decode(out.read_bytes()).tobytes()

    for precision, model in (("fp32", "plain"), ("bf16", "plain"), ("int8", "tuned")):
        assert bytes_of("both", precision) == bytes_of(model, precision)
        assert bytes_of("both", precision) != bytes_of("tuned" if model == "plain" else "plain", precision)

    wanted, codings = network.read_int8(tmp_path / "tuned.safetensors")
    read, own_codings = network.read_int8(both)
    for name, values in read.state_dict().items():
        step = 0.0
        if name.startswith("body.") and name.endswith(".weight"):
            scale = network.weight_codes(wanted.state_dict()[name], codings[name.replace(".weight", ".input_scale")])[1]
            step = scale.view(-1, 1, 1, 1) / codings[name.replace(".weight", ".input_scale")].view(1, -1, 1, 1)
        assert bool(((values - wanted.state_dict()[name]).abs() <= 0.501 * step).all()), name
    assert all(torch.equal(values, codings[name]) for name, values in own_codings.items())
    assert network.read(both)[1] == {}  # they are not of those weights
    exported = dict(exported_model.load(both, "int8").convs())
    for name, conv in exported.items():
        assert numpy.allclose(conv.weight, read.state_dict()[f"{name}.weight"], rtol=1e-6, atol=0), name
        assert numpy.array_equal(conv.bias, read.state_dict()[f"{name}.bias"]), name
    plain = dict(exported_model.load(both).convs())
    assert not numpy.array_equal(plain["head"].weight, exported["head"].weight)
