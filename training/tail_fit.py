"""The tail for a body that was trained at another scale: the one that makes the least error with the body as it is.

Output pixels are linear in the tail's weights, so this is a least-squares problem with 9 * channels + 1 unknowns for
each of the outputs; its normal equations are summed over some patches of the corpus.
"""

import torch
from torch.nn import functional

from corpus import Chooser

PATCHES, AT_ONCE, SIDE_PX = 128, 16, 48
RIDGE = 1e-7  # of the mean square of an input; keeps weights small of which the patches say nothing


@torch.no_grad()
def fit(model, corpus, seed, shares=None):
    """Sets the tail of a Trainable whose head and body are there already."""
    chooser = Chooser(corpus, AT_ONCE, SIDE_PX, seed, shares)
    inputs_count = 9 * model.channels + 1
    squares = torch.zeros(inputs_count, inputs_count, dtype=torch.float64, device=corpus.device)
    products = torch.zeros(inputs_count, model.tail.kernel.shape[0], dtype=torch.float64, device=corpus.device)
    for choices in chooser.of_steps(0, PATCHES // AT_ONCE):
        low, high = corpus.patches(choices.to(corpus.device), SIDE_PX)
        inputs = functional.unfold(model.trunk(low), 3, padding=1)
        inputs = torch.cat([inputs, torch.ones_like(inputs[:, :1])], 1).transpose(1, 2).flatten(0, 1)
        wanted = functional.pixel_unshuffle(high, model.scale).flatten(2).transpose(1, 2).flatten(0, 1)
        squares += (inputs.T @ inputs).double()
        products += (inputs.T @ wanted).double()
    squares.diagonal().add_(RIDGE * squares.diagonal().mean())
    solution = torch.linalg.solve(squares, products).float()
    model.tail.kernel.copy_(solution[:-1].T.reshape(model.tail.kernel.shape))
    model.tail.bias.copy_(solution[-1])
