"""A process that ends with the one it works for. Linux does that; elsewhere it outlives a parent that is killed."""

from __future__ import annotations

import os
import signal
import sys


def die_with(parent: int) -> None:
    """Has this process killed when the thread of its parent that started it ends, however that ends."""
    if sys.platform == "linux":
        import ctypes

        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, int(signal.SIGKILL))
        if os.getppid() != parent:  # it died before we asked
            os._exit(1)
