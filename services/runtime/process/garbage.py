"""What Python's garbage collector looks at: of a long-lived service nearly nothing is garbage that it has to find.

It looks for objects that hold each other; all else goes by itself. Left as it is it took a third of the router's time.
"""

from __future__ import annotations

import gc

YOUNG = 20_000
"""New objects after which the youngest are looked through; Python's own 700 is less than ten records make."""


def calm() -> None:
    """Once all is built: leave that alone for good, and look at what comes after less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, *gc.get_threshold()[1:])
