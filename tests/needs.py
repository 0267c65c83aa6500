"""What a test needs of the machine: missing, it is skipped with a line that says what to install.

Under `HUB_REQUIRE=all`, which CI sets, such a skip is a failure.
"""

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).parents[1]


def missing(what: str, install: str) -> NoReturn:
    """Skip the test that needs `what`, or fail it where everything is required."""
    line = f"{what}: {install}"
    if os.environ.get("HUB_REQUIRE") == "all":
        pytest.fail(f"{line} (required by HUB_REQUIRE=all)", pytrace=False)
    pytest.skip(line)


def need_program(name: str, *, package: str) -> str:
    """Return the path of a program of the system, also of those that are for administrators."""
    places = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
    return shutil.which(name, path=places) or missing(f"no {name} on this machine", f"apt install {package}")


def need_shared(path: str) -> Path:
    """Return a path in the folder beside the checkout that only the makers have."""
    found = ROOT.parent / "shared" / path
    if not found.exists():
        pytest.skip(f"only where the makers' data lies beside the checkout: {path}")
    return found
