# The compiled module: include/pipersr.h through cffi. Its types are C's, so they end here.
from typing import Any

ffi: Any
lib: Any
