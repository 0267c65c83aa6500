"""From HTML to the text that a person would read in it."""

from __future__ import annotations

import re
from html import unescape

import inscriptis

MAX_HTML = 2_000_000
"""Characters that are converted; the rest is in the raw mail."""

_NOT_SHOWN = re.compile(r"<(script|style|head|title)\b.*?(</\1\s*>|\Z)", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"<[^<>]{0,2000}>")


def text_of_html(html: str) -> str:
    """Return the text, laid out in lines; total."""
    html = html[:MAX_HTML]
    try:
        text = inscriptis.get_text(html)
    except Exception:  # noqa: BLE001 - parse is total, and lxml raises what it likes
        text = unescape(_TAG.sub(" ", _NOT_SHOWN.sub(" ", html)))
    return "\n".join(line.rstrip() for line in text.replace("\xa0", " ").splitlines())
