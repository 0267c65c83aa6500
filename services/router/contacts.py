"""Who it is: a contact is a set of addresses, found by any of them.

Two addresses are one citizen's when a provider says so, in one message or by a link; never because a citizen says so.
"""

from __future__ import annotations

from collections.abc import Sequence

from schemas.events import AddressLinked, Sender
from schemas.parts import Address
from services.router.tables import ADDRESSES, CONTACTS, CONVERSATIONS, Contact, Known
from services.router.turn import Turn

MOST_CONVERSATIONS = 32
"""Conversations that a contact is asked for; older ones are still found by thread and reference."""

_MOST_SUCCESSORS = 8


def of_sender(turn: Turn, sender: Sender) -> str:
    """Return the contact of a sender; a new one when nothing of them is known."""
    return _of(turn, one_of_each_kind(sender.addresses))


def of_new(turn: Turn, address: Address) -> str:
    """Return the contact of an address; a new one when it is not known."""
    return _of(turn, (address,))


def of_address(turn: Turn, address: Address) -> str | None:
    """Return whose address this is."""
    known = turn.state.get(ADDRESSES, key_of(turn, address))
    return known.contact if known else None


def link(turn: Turn, linked: AddressLinked) -> None:
    """Take the new address for the citizen who had the old one; unknown citizens need no link."""
    known = turn.state.get(ADDRESSES, key_of(turn, linked.old))
    if known is None or linked.old == linked.new:
        return
    _of(turn, (linked.old, linked.new))
    key = key_of(turn, linked.old)
    contact = _contact_at(turn, key)
    successor = key_of(turn, linked.new)
    turn.state.put(ADDRESSES, key, Known(contact=contact, address=linked.old, replaced_by=successor))


def latest(turn: Turn, address: Address) -> Address:
    """Return the address that took this one's place, or this one."""
    found = turn.state.get(ADDRESSES, key_of(turn, address))
    for _ in range(_MOST_SUCCESSORS):
        if found is None or found.replaced_by is None:
            break
        found = turn.state.get(ADDRESSES, found.replaced_by)
    return found.address if found else address


def addresses(turn: Turn, contact: str) -> list[Address]:
    """Return all that is known of where a contact is reached."""
    row = turn.state.get(CONTACTS, contact)
    found = [turn.state.get(ADDRESSES, key) for key in row.addresses] if row else []
    return [known.address for known in found if known]


def conversations(turn: Turn, contact: str) -> tuple[str, ...]:
    """Return the contact's conversations, the latest last."""
    row = turn.state.get(CONTACTS, contact)
    return row.conversations if row else ()


def add_conversation(turn: Turn, contact: str, conversation: str) -> None:
    """Remember that this conversation is theirs, and the latest."""
    row = turn.state.get(CONTACTS, contact)
    if row is None or row.conversations[-1:] == (conversation,):
        return
    others = tuple(each for each in row.conversations if each != conversation)
    _put(turn, contact, row, conversations=(*others, conversation)[-MOST_CONVERSATIONS:])


def remove_conversation(turn: Turn, contact: str, conversation: str) -> None:
    """Let go of a conversation; a contact without any is forgotten, with all addresses."""
    row = turn.state.get(CONTACTS, contact)
    if row is None:
        return
    others = tuple(each for each in row.conversations if each != conversation)
    if others:
        _put(turn, contact, row, conversations=others)
    else:
        _forget(turn, contact, row)


def forget(turn: Turn, contact: str) -> None:
    """Let go of a contact, with all addresses: whoever writes from one of them is new."""
    row = turn.state.get(CONTACTS, contact)
    if row is not None:
        _forget(turn, contact, row)


def forget_guest(turn: Turn, sender: Sender) -> None:
    """Let go of whoever wrote in another's conversation only, now that it is forgotten."""
    contact = of_address(turn, sender.addresses[0])
    if contact and not conversations(turn, contact):
        forget(turn, contact)


def key_of(turn: Turn, address: Address) -> str:
    """Return the key that stands for an address."""
    return turn.pseudonym("address", address.kind, address.value)


def one_of_each_kind(given: Sequence[Address]) -> tuple[Address, ...]:
    """Two of one kind in one message prove nothing: anyone may write another's address into a mail's Reply-To."""
    return tuple({address.kind: address for address in reversed(given)}.values())[::-1]


def _of(turn: Turn, given: Sequence[Address]) -> str:
    keys = [key_of(turn, address) for address in given]
    rows = [turn.state.get(ADDRESSES, key) for key in keys]
    contacts = list(dict.fromkeys(known.contact for known in rows if known))
    contact = _merged(turn, contacts) if contacts else _new(turn)
    for key, address, known in zip(keys, given, rows, strict=True):
        if known is None:
            _add_address(turn, contact, key, address)
    return contact


def _new(turn: Turn) -> str:
    contact = turn.id("contact")
    turn.state.put(CONTACTS, contact, Contact(tenant=turn.oin, addresses=()))
    return contact


def _add_address(turn: Turn, contact: str, key: str, address: Address) -> None:
    turn.state.put(ADDRESSES, key, Known(contact=contact, address=address))
    row = turn.state.get(CONTACTS, contact) or Contact(tenant=turn.oin, addresses=())
    _put(turn, contact, row, addresses=(*row.addresses, key))


def _merged(turn: Turn, contacts: Sequence[str]) -> str:
    """Make one contact of several: the first takes over what the others had."""
    first, *others = contacts
    for other in others:
        _take_over(turn, first, other)
    return first


def _take_over(turn: Turn, contact: str, other: str) -> None:
    winner, loser = turn.state.get(CONTACTS, contact), turn.state.get(CONTACTS, other)
    if winner is None or loser is None:
        return
    for key in loser.addresses:
        _repoint_address(turn, key, contact)
    for conversation in loser.conversations:
        _repoint_conversation(turn, conversation, contact)
    turn.state.drop(CONTACTS, other)
    theirs = (*loser.conversations, *winner.conversations)[-MOST_CONVERSATIONS:]
    _put(turn, contact, winner, addresses=(*winner.addresses, *loser.addresses), conversations=theirs)


def _repoint_address(turn: Turn, key: str, contact: str) -> None:
    known = turn.state.get(ADDRESSES, key)
    if known:
        turn.state.put(ADDRESSES, key, known.model_copy(update={"contact": contact}))


def _repoint_conversation(turn: Turn, conversation: str, contact: str) -> None:
    row = turn.state.get(CONVERSATIONS, conversation)
    if row:
        turn.state.put(CONVERSATIONS, conversation, row.model_copy(update={"contact": contact}))


def _contact_at(turn: Turn, key: str) -> str:
    known = turn.state.get(ADDRESSES, key)
    return known.contact if known else ""


def _put(
    turn: Turn,
    contact: str,
    row: Contact,
    *,
    addresses: tuple[str, ...] | None = None,
    conversations: tuple[str, ...] | None = None,
) -> None:
    changes = {"addresses": addresses, "conversations": conversations}
    turn.state.put(CONTACTS, contact, row.model_copy(update={k: v for k, v in changes.items() if v is not None}))


def _forget(turn: Turn, contact: str, row: Contact) -> None:
    for key in row.addresses:
        turn.state.drop(ADDRESSES, key)
    turn.state.drop(CONTACTS, contact)
