"""New words above, old words below: where a reply ends and what it answers begins."""

from __future__ import annotations

import quotequail


def trimmed(text: str) -> tuple[str, str]:
    """Return the new words, and the rest; when nothing would be left, all of it is new."""
    pieces = quotequail.quote(text, quote_intro_line=True)
    new = "\n".join(piece for shown, piece in pieces if shown).strip()
    return (new, "\n".join(piece for shown, piece in pieces if not shown)) if new else (text, "")
