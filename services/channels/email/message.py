"""From a mail to the citizen's message."""

from __future__ import annotations

from email.message import Message as Mail

from services.channels.base import Message
from services.channels.email.addresses import Mailbox, Recipient, answer_to, recipient, sender
from services.channels.email.automatic import is_automatic
from services.channels.email.body import MAX_SUBJECT, content
from services.channels.email.dates import date
from services.channels.email.identity import external_id, thread
from services.channels.email.reading import header


def message(mail: Mail, raw: bytes, envelope_sender: str, to: Recipient) -> Message:
    """Return what the citizen wrote."""
    named, said = external_id(mail, raw), content(mail, raw)
    box = answer_to(mail, envelope_sender)
    return Message(
        account=to.account,
        external_id=named,
        happened=date(mail),
        addresses=(sender(box, named),),
        parts=said.parts,
        name=box.name if box else None,
        subject=header(mail, "subject")[:MAX_SUBJECT] or None,
        thread=thread(mail, to),
        automatic=is_automatic(mail, envelope_sender) or _is_ours(box, to),
        truncated=said.truncated,
        files=said.files,
    )


def _is_ours(box: Mailbox | None, to: Recipient) -> bool:
    """Say whether an answer would come back to the inbox itself: that is a loop."""
    return box is not None and recipient(box.address).account == to.account
