"""What the machine has to compute with, told without loading anything heavy."""

import os
import platform
import threading
from functools import cache
from pathlib import Path

from imagesearch.machine import core_count

_CPUINFO = Path("/proc/cpuinfo")
_TELLING = {
    "vendor_id", "cpu family", "model", "model name", "flags", "CPU implementer", "CPU architecture", "CPU variant",
    "CPU part", "Features",
}  # fmt: skip
"""What Linux says of a processor that is the same for all of its kind, however fast it runs at the moment."""
_SETTINGS = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")
"""Variables that have the libraries leave alone some of what the processor can do."""
_WITHOUT_BFLOAT16 = {"SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX512_CORE", "AVX512_CORE_VNNI"}
"""What they may say, as far as bfloat16 is among what is left alone."""


@cache
def _processor() -> dict[str, str]:
    """Return what Linux says of the first processor; nothing where that isn't told."""
    try:
        lines = _CPUINFO.read_text(encoding="utf-8", errors="replace").partition("\n\n")[0].splitlines()
    except OSError:
        return {}
    pairs = (line.partition(":") for line in lines)
    return {name.strip(): value.strip() for name, _, value in pairs if name.strip() in _TELLING}


def kind() -> str:
    """Return what tells this kind of machine from those on which something else may be the fastest."""
    told = sorted(_processor().items()) or platform.processor()
    return repr([platform.system(), platform.machine(), told, [os.environ.get(name, "") for name in _SETTINGS]])


def processor_name() -> str:
    return _processor().get("model name") or platform.processor() or platform.machine()


def multiplies_bfloat16() -> bool:
    """Whether the processor does so in hardware; emulated, it is slower than float32."""
    if any(os.environ.get(name, "").upper() in _WITHOUT_BFLOAT16 for name in _SETTINGS):
        return False
    flags = f"{_processor().get('flags', '')} {_processor().get('Features', '')}".split()
    return not {"avx512_bf16", "amx_bf16", "bf16"}.isdisjoint(flags)


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
