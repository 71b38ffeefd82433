"""Files that are whole or not there, whatever ends the process that writes them."""

import contextlib
import os
import pathlib


@contextlib.contextmanager
def written(path, mode="wb", **how):
    """A file to write, which takes the place of `path` when the block ends without an exception."""
    path = pathlib.Path(path)
    temporary = path.with_name(path.name + ".part")
    try:
        with open(temporary, mode, **how) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
