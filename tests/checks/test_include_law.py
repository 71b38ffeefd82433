"""The include law holds in the tree, and the check itself notices each kind of violation."""

import include_law
import pytest

# A small tree in which everything is lawful; each violation below adds or replaces one file.
LAWFUL = {
    "include/pipersr.h": "#include <stdint.h>\n",
    "src/mem.h": "#include <stddef.h>\n",
    "src/cpu.h": "",
    "src/pool.h": '#include "src/mem.h"\n#include <pthread.h>\n',
    "src/pool.c": '#include "pool.h"\n#include "mem.h"\n',
    "src/model.h": '#include "pipersr.h"\n',
    "src/engine.h": '#include "src/model.h"\n#include "src/kernels/kernels.h"\n',
    "src/api.c": '#include "src/engine.h"\n',
    "src/kernels/kernels.h": "#include <stdint.h>\n",
    "src/kernels/avx2.c": '#include "src/kernels/kernels.h"\n#include <immintrin.h>\n',
    "src/kernels/avx2_tile.h": "",
    "src/kernels/avx_vnni.c": '#include "avx2_tile.h"\n',
    "src/kernels/avx512_tile.h": "",
    "src/kernels/amx_tile.h": '#include "avx512_tile.h"\n',
    "src/kernels/avx512.c": '#include "avx512_tile.h"\n/* malloc(1) in a comment is only talk\n*/\n',
    "media/job.h": '#include "pipersr.h"\n',
    "media/image_load.h": "",
    "media/image.c": '#include "media/job.h"\n#include <vips/vips.h>\n',
    "media/video.c": "#include <libavformat/avformat.h>\n",
    "cli/main.c": '#include "media/job.h"\n#include <jansson.h>\n',
    "server/http.c": '#include "media/job.h"\n',
    "server/http.h": "",
    "program/main.c": '#include "cli/exit_status.h"\n#include "server/http.h"\n',
    "cli/exit_status.h": "",
    "examples/small.c": "#include <pipersr.h>\n#include <stdio.h>\n",
    "tests/unit/test_pool.c": '#include "src/pool.h"\n',
    "training/export.h": "",
    "src/meson.build": "# training/ is only named here\n",
}

VIOLATIONS = [
    ("src/pool.c", '#include "src/engine.h"\n', "pool may only include modules below it"),
    ("src/model.h", '#include "src/engine.h"\n', "model may only include modules below it"),
    ("src/mem.h", '#include "src/pool.h"\n', "mem may only include modules below it"),
    ("src/mem.h", '#include "src/cpu.h"\n', "mem may only include modules below it"),
    ("src/pool.c", '#include "api.c"\n', "never included"),
    ("src/newcomer.c", '#include "src/mem.h"\n', "has no place in the law"),
    ("src/pool.c", '#include "media/job.h"\n', "src/ may not include anything from media/"),
    ("src/model.h", "#include <jansson.h>\n", "nothing else"),
    ("src/model.h", "  #  include <vips/vips.h>\n", "nothing else"),
    ("include/pipersr.h", '#include "src/mem.h"\n', "include/ may not include anything from src/"),
    ("src/kernels/avx2.c", '#include "src/engine.h"\n', "kernels/ may not include engine"),
    ("src/kernels/avx2.c", '#include "../model.h"\n', "kernels/ may not include model"),
    ("src/kernels/avx2.c", '#include "avx512_tile.h"\n', "one instruction set"),
    ("src/kernels/avx_vnni.c", '#include "avx512_tile.h"\n', "one instruction set"),
    ("src/kernels/avx_vnni.c", '#include "amx_tile.h"\n', "one instruction set"),
    ("src/kernels/avx2.c", "#include <stdlib.h>\n", "a kernel only computes"),
    ("src/kernels/avx2.c", "#include <pthread.h>\n", "a kernel only computes"),
    ("src/kernels/avx2.c", "void *p = malloc(4);\n", "never allocates"),
    ("src/kernels/avx2.c", "p = psr_mem_alloc(4);\n", "never allocates"),
    ("media/image.c", '#include "src/mem.h"\n', "media/ may not include anything from src/"),
    ("media/image.c", '#include "cli/exit_status.h"\n', "media/ may not include anything from cli/"),
    ("media/image.c", "#include <libavutil/frame.h>\n", "may include this library"),
    ("media/video.c", "#include <vips/vips.h>\n", "may include this library"),
    ("media/video.c", "#include <jansson.h>\n", "may include this library"),
    ("cli/main.c", '#include "src/mem.h"\n', "cli/ may not include anything from src/"),
    ("cli/main.c", '#include "media/image_load.h"\n', "cli/ may include only media/image.h"),
    ("cli/main.c", "#include <vips/vips.h>\n", "may include this library"),
    ("cli/main.c", "#include <libavutil/frame.h>\n", "may include this library"),
    ("cli/main.c", '#include "server/http.h"\n', "cli/ may not include anything from server/"),
    ("cli/main.c", "#include <sqlite3.h>\n", "may include this library"),
    ("cli/main.c", '#include "cli/missing.h"\n', "no such header"),
    ("server/http.c", '#include "cli/exit_status.h"\n', "server/ may not include anything from cli/"),
    ("server/http.c", '#include "program/main.c"\n', "server/ may not include anything from program/"),
    ("program/main.c", '#include "media/job.h"\n', "program/ may not include anything from media/"),
    ("program/main.c", "#include <microhttpd.h>\n", "may include this library"),
    ("examples/small.c", '#include "src/mem.h"\n', "examples/ may not include anything from src/"),
    ("examples/small.c", '#include "media/job.h"\n', "examples/ may not include anything from media/"),
    ("tests/unit/test_pool.c", '#include "training/export.h"\n', "anything from training/"),
    ("src/meson.build", "files('../training/export.py')\n", "may need training/"),
]


@pytest.fixture
def tree(tmp_path):
    def make(changes):
        for name, text in {**LAWFUL, **changes}.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    return make


def test_the_project_keeps_the_law(root):
    violations = include_law.violations(root)
    assert not violations, "\n".join(violations)


def test_every_source_file_is_read(root):
    """Guards against a check that passes because it looks at nothing."""
    for room in ("src", "src/kernels", "media", "cli", "server", "program", "include"):
        assert list((root / room).glob("*.[ch]")), f"{room}/ is empty"


def test_a_lawful_tree_passes(tree):
    assert include_law.violations(tree({})) == []


@pytest.mark.parametrize("name, text, reason", VIOLATIONS)
def test_a_violation_is_noticed(tree, name, text, reason):
    found = include_law.violations(tree({name: text}))
    assert len(found) == 1, found
    assert found[0].startswith(f"{name}:1:") and reason in found[0]
