#!/usr/bin/env python3
"""Writes model files as C source, so that the library carries them: embed_models.py MODEL... OUTPUT.c

A model's name is its file's, without the suffix; what the file says of itself must agree.
"""

import json
import pathlib
import re
import struct
import sys

LITERAL = re.compile(rb"[^ !#->@-\[\]-~]")  # what a C string does not take as it is; ? begins trigraphs


def metadata(path, data):
    try:
        (length,) = struct.unpack_from("<Q", data)
        about = json.loads(data[8 : 8 + length])["__metadata__"]
        scale = int(about["scale"])
        name = about.get("name") or f"pipersr-x{scale}"
    except (struct.error, ValueError, KeyError) as fault:
        sys.exit(f"{path}: not a model file: {fault!r}")
    if name != path.stem:
        sys.exit(f"{path}: its metadata call it '{name}': rename the file, or export it with --name {path.stem}")
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", name):
        # With '/' or '.' in it, or as an option, --model NAME would mean something else.
        sys.exit(f"{path}: the name of a built-in model has the characters a-z, 0-9 and - only")
    return name, about.get("description", ""), scale


def literal(data):
    # Three octal digits end by themselves, whatever follows.
    return '"%s"' % LITERAL.sub(lambda byte: b"\\%03o" % byte.group()[0], data).decode()


def main():
    *sources, target = map(pathlib.Path, sys.argv[1:])
    entries = []
    with open(target, "w") as file:
        file.write('#include "src/built_in.h"\n\n')
        # Compilers read a string many times faster than as many numbers.
        file.write('#pragma GCC diagnostic ignored "-Woverlength-strings"\n\n')
        for number, source in enumerate(sources):
            data = source.read_bytes()
            name, description, scale = metadata(source, data)
            # 64: the tensors are read where they lie.
            file.write(f"static _Alignas(64) const unsigned char model_{number}[] =\n")
            for i in range(0, len(data), 64):
                file.write(literal(data[i : i + 64]) + "\n")
            file.write(";\n\n")
            bytes_and_size = f"model_{number}, sizeof model_{number} - 1"
            texts = f"{literal(name.encode())}, {literal(description.encode())}"
            entries.append(f"    {{{texts}, {bytes_and_size}, {scale}}},\n")
        file.write("const pipersr_built_in_model psr_built_in_models[] = {\n" + "".join(entries) + "};\n")
        file.write("const size_t psr_n_built_in_models = sizeof psr_built_in_models / sizeof *psr_built_in_models;\n")


if __name__ == "__main__":
    main()
