"""PSNR as `pipersr bench quality` measures it: on Y, in 8 bits, as many pixels left out as the scale."""

import numpy
import torch

Y_WEIGHTS = (65.481 / 255, 128.553 / 255, 24.966 / 255)  # of R, G, B; ITU-R BT.601, limited range


def luma(rgb):
    """[...][h][w][3] of 0..255 -> Y without its offset, in fp64."""
    red, green, blue = rgb.double().unbind(-1)
    return Y_WEIGHTS[0] * red + Y_WEIGHTS[1] * green + Y_WEIGHTS[2] * blue


def psnr_y(picture, original, shave_px):
    """Both uint8 [h][w][3] tensors."""
    error = luma(picture) - luma(original)
    inside = error[shave_px : error.shape[0] - shave_px, shave_px : error.shape[1] - shave_px]
    return float(10 * torch.log10(255.0**2 / inside.square().mean().clamp(min=1e-10)))


@torch.no_grad()
def enlarge(model, low):
    """uint8 [h][w][3] -> uint8 [scale h][scale w][3] by a network in fp32."""
    x = low.permute(2, 0, 1)[None].float() / 255
    y = model(x)[0].permute(1, 2, 0)
    return (y * 255).clamp(0, 255).round().byte()


def mean_by_kind(model, corpus, most_px=256):
    """{kind: mean PSNR} over the pictures held back for validation; the middle of large ones."""
    results = {}
    for picture in corpus.pictures:
        if not picture["training"]:
            low, high = corpus.whole(picture, most_px)
            results.setdefault(picture["kind"], []).append(psnr_y(enlarge(model, low), high, corpus.scale))
    return {kind: float(numpy.mean(values)) for kind, values in sorted(results.items())}
