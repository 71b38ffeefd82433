#!/usr/bin/env python3
"""Writes the C source of the extension module pipersr._native: native_source.py pipersr.h OUTPUT.c

What Python may call is the public header itself, so that the two cannot differ.
"""

import pathlib
import re
import sys

import cffi


def declarations(header: str) -> str:
    """The header without what cffi's parser does not take: comments, the preprocessor's lines, C++."""
    text = re.sub(r"/\*.*?\*/", "", header, flags=re.DOTALL)
    text = re.sub(r'#ifdef __cplusplus\n.*?#endif\n', "", text, flags=re.DOTALL)
    text = re.sub(r"^#.*$", "", text, flags=re.MULTILINE)
    return text.replace("PIPERSR_API ", "")


def main() -> None:
    header, output = map(pathlib.Path, sys.argv[1:])
    ffi = cffi.FFI()
    ffi.cdef(declarations(header.read_text()) + "void free(void *);\n")
    ffi.set_source("pipersr._native", '#include <stdlib.h>\n#include "pipersr.h"\n', py_limited_api=True)
    ffi.emit_c_code(str(output))


if __name__ == "__main__":
    main()
