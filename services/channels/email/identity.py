"""The ids of mails: the citizen's, the ones it answers, and our own.

Our own Message-ID is a function of what we call the send (our_id), so that a send that is repeated is the same mail,
and what comes back to us, in a bounce, an In-Reply-To or behind the plus of our address, says which send it was.
"""

from __future__ import annotations

import hashlib
import re
from email.message import Message

from services.channels.email.addresses import Recipient
from services.channels.email.reading import clean, raw_headers

OUR_ID_HEADER = "X-Berichtenhub-Id"
MAX_ID = 400
"""Characters; a longer one is no id that anybody gives back."""
MAX_THREAD = 30

_BRACKETED = re.compile(r"<([^<>]+)>")
_MARK = re.compile(r"h\.([0-9a-f]{40})")


def external_id(mail: Message, raw: bytes) -> str:
    """Return the Message-ID, or a digest of the whole where there is none: every mail has one, the same each time."""
    return next(iter(_ids(mail, "message-id")), f"sha256:{hashlib.sha256(raw).hexdigest()}")


def thread(mail: Message, to: Recipient) -> tuple[str, ...]:
    """Return what this mail answers, the nearest first: In-Reply-To, References from the right, then the tag."""
    replied, referenced = _ids(mail, "in-reply-to"), _ids(mail, "references")
    ids = (*replied, *reversed(referenced), *_by_tag(to))
    return tuple(dict.fromkeys(ids))[:MAX_THREAD]


def _ids(mail: Message, header: str) -> list[str]:
    return [found for value in raw_headers(mail, header) for found in ids_in(value)]


def ids_in(value: str) -> list[str]:
    """Return the Message-IDs in a header's value, each as `<id>`; some programs leave the brackets or the @ out."""
    found = _BRACKETED.findall(value) or value.split()
    bare = ("".join(clean(one).split()) for one in found)
    return [f"<{one}>" for one in bare if 0 < len(one) <= MAX_ID]


# --- ours ----------------------------------------------------------------------------------------------------


def message_id(our_id: str, account: str) -> str:
    """Return the Message-ID of a mail of ours: nothing in it but a digest and our domain."""
    return f"<{_digest(our_id)}@{account.rpartition('@')[2]}>"


def mark(our_id: str) -> str:
    """Return what to write behind the plus of our address, so that an answer to it names this send."""
    return f"h.{_digest(our_id)}"


def marked(to: Recipient) -> str | None:
    """Return the Message-ID of the send that the address behind this mail names; None when it names none."""
    found = _MARK.fullmatch(to.tag.lower())
    return f"<{found.group(1)}@{to.account.rpartition('@')[2]}>" if found else None


def _by_tag(to: Recipient) -> tuple[str, ...]:
    ours = marked(to)
    return (ours,) if ours else (f"token:{to.tag}",) if to.tag else ()


def _digest(our_id: str) -> str:
    return hashlib.sha256(our_id.encode()).hexdigest()[:40]
