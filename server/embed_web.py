#!/usr/bin/env python3
"""Writes the files of the page as C source, so that the program carries them: embed_web.py FILE... OUTPUT.c"""

import hashlib
import pathlib
import sys

CONTENT_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/json",
}


def main():
    *sources, target = map(pathlib.Path, sys.argv[1:])
    entries = []
    with open(target, "w") as file:
        file.write('#include "server/web_files.h"\n\n')
        for number, source in enumerate(sources):
            data = source.read_bytes()
            if not data or source.suffix not in CONTENT_TYPES:
                sys.exit(f"{source}: empty, or of a kind that the page does not use")
            file.write(f"static const unsigned char file_{number}[] = {{\n")
            for i in range(0, len(data), 24):
                file.write(",".join(map(str, data[i : i + 24])) + ",\n")
            file.write("};\n\n")
            etag = hashlib.sha256(data).hexdigest()[:16]
            entries.append(
                f'    {{"/{source.name}", {{file_{number}, sizeof file_{number}, '
                f'"{CONTENT_TYPES[source.suffix]}", "\\"{etag}\\""}}}},\n'
            )
        file.write("const struct server_web_entry server_web_files[] = {\n" + "".join(entries) + "};\n")
        file.write("const size_t server_n_web_files = sizeof server_web_files / sizeof *server_web_files;\n")


if __name__ == "__main__":
    main()
