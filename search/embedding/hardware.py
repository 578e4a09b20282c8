"""The machine's hardware, determined without heavy imports."""

import os
import platform
import threading
from functools import cache
from pathlib import Path

from imagesearch.memory_and_cores import core_count

_CPUINFO = Path("/proc/cpuinfo")
_DISTINCTIVE = {
    "vendor_id", "cpu family", "model", "model name", "flags", "CPU implementer", "CPU architecture", "CPU variant",
    "CPU part", "Features",
}  # fmt: skip
"""The fields of /proc/cpuinfo that are the same for all processors of a kind, at any clock rate."""
_SETTINGS = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")
"""Environment variables that disable instruction sets in the libraries."""
_WITHOUT_BFLOAT16 = {"SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX512_CORE", "AVX512_CORE_VNNI"}
"""Those of their values that disable bfloat16."""


@cache
def _processor() -> dict[str, str]:
    """Return the fields of the first processor in /proc/cpuinfo; {} if there are none."""
    try:
        lines = _CPUINFO.read_text(encoding="utf-8", errors="replace").partition("\n\n")[0].splitlines()
    except OSError:
        return {}
    pairs = (line.partition(":") for line in lines)
    return {name.strip(): value.strip() for name, _, value in pairs if name.strip() in _DISTINCTIVE}


def kind() -> str:
    """Return a description of this kind of machine; on others, another backend may be the fastest."""
    processor = sorted(_processor().items()) or platform.processor()
    return repr([platform.system(), platform.machine(), processor, [os.environ.get(name, "") for name in _SETTINGS]])


def processor_name() -> str:
    return _processor().get("model name") or platform.processor() or platform.machine()


def multiplies_bfloat16() -> bool:
    """Whether the processor has bfloat16 in hardware; emulated, it is slower than float32."""
    if any(os.environ.get(name, "").upper() in _WITHOUT_BFLOAT16 for name in _SETTINGS):
        return False
    flags = f"{_processor().get('flags', '')} {_processor().get('Features', '')}".split()
    return not {"avx512_bf16", "amx_bf16", "bf16"}.isdisjoint(flags)


def has_gpu() -> bool:
    """Whether torch will find a GPU that is faster than the processor."""
    nvidia_or_amd = Path("/dev/nvidiactl").exists() or Path("/dev/kfd").exists()
    return nvidia_or_amd or (platform.system() == "Darwin" and platform.machine() == "arm64")


def threads() -> int:
    """Return the threads per encoding: all cores, or one in a process that serves requests."""
    return 1 if _one_each.is_set() else core_count()


def take_one_thread_each() -> None:
    """Use one thread per encoding for models loaded from now on: with many concurrent searches, processes would
    otherwise compete for the cores."""
    _one_each.set()


_one_each = threading.Event()
