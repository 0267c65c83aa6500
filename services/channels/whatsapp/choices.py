"""What a citizen chose or filled in: buttons, lists, forms, a permission to call."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final

from schemas.parts import Button, Form, Unknown
from services.channels.whatsapp.found import Found, as_object, long_text, unknown
from services.channels.whatsapp.json_shape import Json, dumps, required, word


def read(value: object) -> list[Found]:
    """Return what an `interactive` object says, of whatever kind it is; raises Malformed."""
    interactive = as_object(value)
    kind = required(interactive.get("type"), "no type")
    if kind not in _CHOICES:
        return unknown(kind, interactive.get(kind, interactive))
    return _CHOICES[kind](as_object(interactive.get(kind)))


def _choice(reply: Json) -> list[Found]:
    return [
        Button(
            text=required(reply.get("title"), "no title"),
            payload=word(reply.get("id")),
            description=word(reply.get("description")),
        )
    ]


def _form(reply: Json) -> list[Found]:
    form = Form(name=word(reply.get("name")), fields=_fields(reply.get("response_json")))
    body = word(reply.get("body"))
    return [form, *(long_text(body) if body else [])]


def _fields(response: object) -> dict[str, str]:
    """Return the fields as words; an answer that is no object is kept whole, under the name Meta gave it."""
    try:
        fields = json.loads(response) if isinstance(response, str) else response
    except (ValueError, RecursionError):
        fields = None
    if isinstance(fields, dict):
        return {name: value if isinstance(value, str) else dumps(value) for name, value in fields.items()}
    return {"response_json": response if isinstance(response, str) else dumps(response)} if response else {}


def _call_permission(reply: Json) -> list[Found]:
    return [Unknown(type="call_permission", text=word(reply.get("response")))]


_CHOICES: Final[dict[str, Callable[[Json], list[Found]]]] = {
    "button_reply": _choice,
    "list_reply": _choice,
    "nfm_reply": _form,
    "call_permission_reply": _call_permission,
}
