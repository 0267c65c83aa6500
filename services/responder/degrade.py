"""What a citizen reads where their channel has no form for what was sent. In plain Dutch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from schemas.parts import Button, ContactCard, Form, Location, Media, Part, Reaction, Template, Text, Unknown


def written_out(part: Part) -> str:
    """Return a part as plain text; never empty."""
    return _WRITERS[part.kind](part)


def _text(part: Text | Unknown) -> str:
    return part.text or "[Bericht dat hier niet past]"


def _file(part: Media) -> str:
    return _lines(part.caption, f"[Bestand dat hier niet past: {part.filename or 'zonder naam'}]")


def _place(part: Location) -> str:
    where = part.url or f"{part.latitude:.6f}, {part.longitude:.6f}"
    return _lines("Plek:", part.name, part.address, where)


def _card(part: ContactCard) -> str:
    return _lines(part.name, *(address.value for address in part.addresses)) or "[Contactgegevens]"


def _button(part: Button) -> str:
    return _lines(f"- {part.text}", part.description)


def _reaction(part: Reaction) -> str:
    return part.emoji or "[Reactie ingetrokken]"


def _form(part: Form) -> str:
    return _lines(part.name, *(f"{name}: {value}" for name, value in part.fields.items())) or "[Formulier]"


def _template(part: Template) -> str:
    return _lines(*part.parameters) or f"[Standaardbericht {part.name}]"


_WRITERS: Mapping[str, Callable[[Any], str]] = {
    "text": _text,
    "image": _file,
    "video": _file,
    "audio": _file,
    "document": _file,
    "sticker": _file,
    "location": _place,
    "contact": _card,
    "button": _button,
    "reaction": _reaction,
    "form": _form,
    "template": _template,
    "unknown": _text,
}


def _lines(*lines: str | None) -> str:
    return "\n".join(line for line in lines if line)
