#!/usr/bin/env python3
"""The include law: which room of the project may include which header (docs/architecture.md, "Rooms").

`python3 tests/checks/include_law.py [ROOT]` prints one line for each violation; exit status 1 if any.
"""

import pathlib
import re
import sys

ROOMS = ("include", "src", "media", "cli", "server", "program", "plugins", "examples", "bench", "tests")

# Inside src/ a module may include only headers of a lower rank, and its own.
SRC_RANK = {
    "mem": 0,
    "cpu": 0,
    "error": 0,
    "kernels": 1,
    "pool": 1,
    "frame": 1,
    "cache": 1,
    "plan": 1,
    "cover": 1,
    "safetensors": 1,
    "built_in": 1,
    "histogram": 1,
    "moments": 1,
    "rounding": 1,
    "bleed": 2,
    "coding": 2,
    "safetensors_write": 2,
    "model": 2,
    "yuv_format": 2,
    "yuv": 3,
    "choice": 3,
    "int8_layer": 3,
    "strip": 4,
    "cells": 5,
    "reuse": 6,
    "engine": 7,
    "calibrate": 7,
    "upscaler": 8,
    "api": 9,
    "api_frames": 9,
}

# Which rooms a room may take headers from, besides itself; "include" is pipersr.h.
ROOM_MAY_INCLUDE = {
    "include": set(),
    "src": {"include"},
    "media": {"include"},
    "cli": {"include", "media"},
    "server": {"include", "media"},
    "program": {"include", "cli", "server"},
    "examples": {"include"},
    "bench": {"include", "src"},
    "plugins": {"include"},
    "tests": {"include", "src", "media", "cli", "server"},
}

# What other rooms may see of media/; the rest are its private headers, full of other libraries' types.
MEDIA_BORDER = {
    f"media/{name}.h" for name in "job kind output sequence image video video_segment video_still video_words".split()
}

C_HEADERS = set(
    "assert complex ctype errno fenv float inttypes limits locale math setjmp signal stdalign stdarg"
    " stdatomic stdbool stddef stdint stdio stdlib string threads time wchar".split()
)
# What the library may ask of the system: the C library, threads, and questions about the CPU.
SRC_SYSTEM = {f"{name}.h" for name in C_HEADERS} | {
    "cpuid.h", "fcntl.h", "immintrin.h", "pthread.h", "sched.h", "unistd.h",
    "asm/hwcap.h", "sys/auxv.h", "sys/mman.h", "sys/prctl.h", "sys/stat.h", "sys/syscall.h",
    "sys/sysctl.h", "sys/types.h", "windows.h", "arm_neon.h", "arm_sve.h",
}  # fmt: skip
# Kernels only compute: no allocation, no threads, no files.
KERNEL_SYSTEM = {f"{name}.h" for name in "assert float limits math stdbool stddef stdint string".split()}
KERNEL_SYSTEM |= {"immintrin.h", "arm_neon.h", "arm_sve.h"}
ALLOCATION = re.compile(r"\b(?:malloc|calloc|realloc|aligned_alloc|posix_memalign|alloca|free|psr_\w*alloc\w*)\s*\(")

# Third-party libraries: the start of the header's path, and the files that may include it.
LIBRARIES = (
    (re.compile(r"vips/|glib|gio/|gobject"), re.compile(r"media/image|tests/")),
    (re.compile(r"lib(av|sw)\w+/"), re.compile(r"media/(video|frame_queue|queue)|tests/")),
    (re.compile(r"jansson\.h"), re.compile(r"media/video_(manifest|options_json|output_record|segment_entry)|cli/|server/|tests/")),
    (re.compile(r"sqlite3\.h|microhttpd\.h|gnutls/|seccomp\.h|linux/landlock\.h"), re.compile(r"server/|tests/")),
)

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)


def strip_comments(text):
    """The text without comments, with its line numbers unchanged."""
    return COMMENT.sub(lambda match: "\n" * match.group().count("\n"), text)


def resolve(root, source, name):
    """The project's own header that `name` means, relative to root, or None if it is not ours."""
    for folder in (source.parent, root, root / "include"):
        path = (folder / name).resolve()
        if path.is_file() and path.is_relative_to(root):
            return path.relative_to(root).as_posix()
    return None


def src_module(path):
    """ "src/pool.c" -> "pool"; everything in src/kernels/ -> "kernels"."""
    parts = path.split("/")
    return "kernels" if parts[1] == "kernels" else parts[1].rsplit(".", 1)[0]


def check_own(source, header):
    """Faults of including one of the project's own headers."""
    room, target = source.split("/")[0], header.split("/")[0]
    if target != room and target not in ROOM_MAY_INCLUDE[room]:
        yield f"{room}/ may not include anything from {target}/"
    elif target == "media" and room not in ("media", "tests") and header not in MEDIA_BORDER:
        yield f"{room}/ may include only {', '.join(sorted(MEDIA_BORDER))} from media/"
    elif room == "src" and target == "src":
        yield from check_inside_src(source, header)


def check_inside_src(source, header):
    module, wanted = src_module(source), src_module(header)
    for name in (module, wanted):
        if name not in SRC_RANK:
            yield f"module '{name}' has no place in the law: give it one in tests/checks/include_law.py"
            return
    if header.endswith(".c"):
        yield "a .c file is never included"
    elif module == "kernels" and wanted not in ("kernels", "cpu"):
        yield f"kernels/ may not include {wanted}"
    elif module == "kernels" == wanted and instruction_set(header) not in (None, instruction_set(source)):
        yield "one instruction set's files may not include another's"
    elif module != wanted and SRC_RANK[wanted] >= SRC_RANK[module]:
        yield f"{module} may only include modules below it, and {wanted} is not"


def instruction_set(path):
    """The instruction set that a file in src/kernels/ belongs to, or None if it is shared."""
    match = re.match(r"(avx2|avx_vnni|avx512|amx|neon|sve|sse\w*)", path.rsplit("/", 1)[1])
    # AVX-VNNI is one instruction more on AVX2's registers, AMX works beside those of AVX-512.
    return {"avx_vnni": "avx2", "amx": "avx512"}.get(match.group(1), match.group(1)) if match else None


def check_foreign(source, name):
    """Faults of including a header that is not the project's."""
    if source.startswith("src/kernels/"):
        if name not in KERNEL_SYSTEM:
            yield "a kernel only computes: this header is not on its list"
    elif source.startswith(("src/", "include/")):
        if name not in SRC_SYSTEM:
            yield "the library uses the C library, threads and nothing else"
    else:
        for library, rooms in LIBRARIES:
            if library.match(name) and not rooms.match(source):
                yield f"only {rooms.pattern.replace('|tests/', '')} may include this library"


def check_file(root, path):
    source = path.relative_to(root).as_posix()
    text = strip_comments(path.read_text(encoding="utf-8"))
    for number, line in enumerate(text.splitlines(), 1):
        match = INCLUDE.match(line)
        if match:
            own = resolve(root, path, match.group(2))
            faults = check_own(source, own) if own else check_foreign(source, match.group(2))
            if not own and match.group(1) == '"':
                faults = ["no such header in the project"]
            for fault in faults:
                yield f"{source}:{number}: {line.strip()}: {fault}"
        elif source.startswith("src/kernels/") and ALLOCATION.search(line):
            yield f"{source}:{number}: {line.strip()}: a kernel never allocates"


def check_build_file(root, path):
    """Nothing that is built or run may need training/."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if "training/" in line.split("#")[0]:
            yield f"{path.relative_to(root)}:{number}: nothing that is built may need training/"


def violations(root):
    """All violations under `root`, each as one line of text."""
    root = pathlib.Path(root).resolve()
    found = []
    for room in ROOMS:
        for path in sorted((root / room).rglob("*")):
            if path.suffix in (".c", ".h"):
                found += check_file(root, path)
            elif path.name == "meson.build" and room != "tests":
                found += check_build_file(root, path)
    return found


if __name__ == "__main__":
    default = pathlib.Path(__file__).resolve().parents[2]
    lines = violations(sys.argv[1] if len(sys.argv) > 1 else default)
    print("\n".join(lines) if lines else "the include law holds")
    sys.exit(1 if lines else 0)
