"""What the machine has to compute with, told without loading anything heavy."""

import platform
import threading
from functools import cache
from pathlib import Path

from imagesearch.machine import core_count


@cache
def processor_flags() -> frozenset[str]:
    """Return what the processor can do, by the names of Linux; nothing where that isn't told."""
    try:
        return frozenset(Path("/proc/cpuinfo").read_text().split())
    except OSError:
        return frozenset()


def multiplies_bfloat16() -> bool:
    """Whether the processor does so in hardware; emulated, it is slower than float32."""
    return not processor_flags().isdisjoint({"avx512_bf16", "amx_bf16", "bf16"})


def multiplies_int8() -> bool:
    """Whether the processor adds up products of bytes in one step."""
    return not processor_flags().isdisjoint({"avx512_vnni", "avx_vnni", "amx_int8", "i8mm", "asimddp"})


def has_gpu() -> bool:
    """Whether torch will find a GPU that is faster than the processor."""
    nvidia_or_amd = Path("/dev/nvidiactl").exists() or Path("/dev/kfd").exists()
    return nvidia_or_amd or (platform.system() == "Darwin" and platform.machine() == "arm64")


def threads() -> int:
    """Return how many threads one encoding takes: those of all cores, or of one in a process that serves many."""
    return 1 if _one_each.is_set() else core_count()


def take_one_thread_each() -> None:
    """From now on models are loaded to take one thread for an encoding: many people search at once, in processes that
    would otherwise fight for the cores."""
    _one_each.set()


_one_each = threading.Event()
