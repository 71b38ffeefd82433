"""Checkpoint files: everything that a run needs to go on, written so that a file is whole or not there.

A file holds tensors (weights, both moments, average of the weights) and one JSON text (network, step, schedule,
time used, options). There is no random state: what a step draws follows from the seed and its number.
"""

import json

import torch

import whole_file


def save(path, tensors, about):
    with whole_file.written(path) as file:
        torch.save({**{k: v.detach().cpu() for k, v in tensors.items()}, "about": json.dumps(about)}, file)


def load(path, device="cpu"):
    """(tensors, about)."""
    try:
        content = torch.load(path, map_location=device, weights_only=True)
        about = json.loads(content.pop("about"))
    except FileNotFoundError:
        raise SystemExit(f"{path}: no such checkpoint") from None
    except Exception as error:
        raise SystemExit(f"{path}: not a checkpoint of this program ({error.__class__.__name__})") from None
    return content, about
