#!/usr/bin/env python3
"""Writes metadata into a model file (docs/model-format.md) and leaves its tensors as they are.

usage: scripts/set_model_metadata.py MODEL.safetensors KEY=VALUE...

An empty VALUE takes the key out. The file is replaced as a whole.
"""

import json
import os
import struct
import sys


def main():
    if len(sys.argv) < 3 or not all("=" in word for word in sys.argv[2:]):
        sys.exit(__doc__.strip())
    path = sys.argv[1]
    with open(path, "rb") as file:
        data = file.read()
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + length])
    metadata = header.setdefault("__metadata__", {})
    for word in sys.argv[2:]:
        key, value = word.split("=", 1)
        if value:
            metadata[key] = value
        else:
            metadata.pop(key, None)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path + ".new", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data[8 + length :])
    os.replace(path + ".new", path)


if __name__ == "__main__":
    main()
