"""Memory allocator: what an update or a decoding step frees is kept for the next, and given back before other work."""

import ctypes
import gc
import sys

import torch

# mallopt(3). The largest block that glibc keeps at all is half of its HEAP_MAX_SIZE.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGEST_KEPT = 32 * 2**20
_NEVER = 2**31 - 1


def keep_freed_memory() -> None:
    """Let this process' C library keep blocks of up to 32 MiB when tensors free them; nothing, where it is not glibc.

    By default it returns what is free at the end of its heap to the system, and so after every update and every step of
    decoding, and is given it back page by page.
    """
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(_M_MMAP_THRESHOLD, _LARGEST_KEPT)
        libc.mallopt(_M_TRIM_THRESHOLD, _NEVER)


def return_freed_memory() -> None:
    """Free what only cycles of references hold, and give the system back all that is free.

    To look for cycles takes some tenths of a second: it is for what comes after an error, or in between trials.
    """
    gc.collect()
    return_unused_memory()


def return_unused_memory() -> None:
    """Give the system back what is free already, of a GPU and of the C library's heap."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return_free_pages()


def return_free_pages() -> None:
    """Give the system back what is free in the C library's heap; nothing, where it is not glibc.

    What follows takes blocks of other sizes, for which the gaps may be too small: they would count beside them.
    """
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
        libc.malloc_trim(0)
