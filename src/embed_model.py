#!/usr/bin/env python3
"""Writes a model file as C source, so that the library carries it: embed_model.py MODEL OUTPUT.c"""

import sys

source, target = sys.argv[1:]
with open(source, "rb") as file:
    data = file.read()
with open(target, "w") as file:
    file.write('#include "src/default_model.h"\n\n')
    file.write(f"const size_t psr_default_model_size = {len(data)};\n")
    # 64: the tensors are read where they lie.
    file.write("_Alignas(64) const unsigned char psr_default_model[] = {\n")
    for i in range(0, len(data), 24):
        file.write(",".join(map(str, data[i : i + 24])) + ",\n")
    file.write("};\n")
