"""What a message is made of: typed parts, addresses, files kept by reference."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

MAX_TEXT = 16_000
"""Characters of one text part; what is longer is cut at ingest and kept whole as a file."""


class Frozen(BaseModel):
    """A value: never changed after it was made; a reader ignores the fields that a newer writer added."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)


class AddressKind(StrEnum):
    """How an address is written. A kind that a later version adds is read as `other`."""

    TEL = "tel"
    """E.164, with its plus."""
    MAILTO = "mailto"
    """An e-mail address, lower case."""
    WHATSAPP = "whatsapp"
    """A WhatsApp account that is not a phone number in E.164 (`wa_id` as given)."""
    WHATSAPP_BSUID = "whatsapp-bsuid"
    """A business-scoped user id: one citizen as one business portfolio knows them."""
    WEBCHAT = "webchat"
    """A visitor of the municipality's own chat."""
    SENDER_NAME = "sender-name"
    """An alphanumeric sender, which cannot be answered."""
    OTHER = "other"

    @classmethod
    def _missing_(cls, value: object) -> AddressKind:  # noqa: ARG003 - the enum's own signature
        return cls.OTHER


class Address(Frozen):
    """Where a citizen is reached: a kind and a value."""

    kind: AddressKind
    value: str = Field(min_length=1, max_length=512)


class FileRef(Frozen):
    """A file that the hub keeps beside the event, found by what is in it."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    size: int = Field(ge=0)
    """Bytes."""


class Text(Frozen):
    """Words. `whole` points at the uncut text when it was longer than fits an event."""

    kind: Literal["text"] = "text"
    text: str = Field(max_length=MAX_TEXT)
    whole: FileRef | None = None


class _Media(Frozen):
    media_type: str | None = None
    """As the sender or provider named it, for instance `image/jpeg`."""
    filename: str | None = None
    caption: str | None = None
    file: FileRef | None = None
    """Where the hub keeps it; absent until it was fetched."""
    media_id: str | None = None
    """The provider's own id or address of it."""


class Image(_Media):
    """A picture."""

    kind: Literal["image"] = "image"


class Video(_Media):
    """A moving picture."""

    kind: Literal["video"] = "video"


class Audio(_Media):
    """Sound; `voice` when it was spoken into the app."""

    kind: Literal["audio"] = "audio"
    voice: bool = False


class Document(_Media):
    """Any other file."""

    kind: Literal["document"] = "document"


class Sticker(_Media):
    """A sticker."""

    kind: Literal["sticker"] = "sticker"


class Location(Frozen):
    """A place, in degrees (WGS 84)."""

    kind: Literal["location"] = "location"
    latitude: float = Field(ge=-90, le=90)
    longitude: float = Field(ge=-180, le=180)
    name: str | None = None
    address: str | None = None
    url: str | None = None


class ContactCard(Frozen):
    """Somebody's visiting card, sent along by the citizen."""

    kind: Literal["contact"] = "contact"
    name: str | None = None
    addresses: tuple[Address, ...] = ()


class Button(Frozen):
    """A button or list row that the citizen pressed, or that we offer."""

    kind: Literal["button"] = "button"
    text: str
    payload: str | None = None
    description: str | None = None


class Reaction(Frozen):
    """An emoji under an earlier message; empty when it was taken away."""

    kind: Literal["reaction"] = "reaction"
    emoji: str
    to_external_id: str


class Form(Frozen):
    """A filled-in form: fields as the channel gave them."""

    kind: Literal["form"] = "form"
    name: str | None = None
    fields: dict[str, str] = Field(default_factory=dict)


class Template(Frozen):
    """A text that the provider approved before, by name; only ever sent by us."""

    kind: Literal["template"] = "template"
    name: str
    language: str = "nl"
    parameters: tuple[str, ...] = ()


class Unknown(Frozen):
    """Something the channel has no word for yet; the provider's own word stands in `type`.

    A kind of part that a newer writer added is read as this, with that kind as its `type`.
    """

    kind: Literal["unknown"] = "unknown"
    type: str
    text: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _newer_kind(cls, value: object) -> object:
        if not isinstance(value, dict) or value.get("kind", "unknown") == "unknown":
            return value
        return {"type": str(value["kind"]), "text": value.get("text")}


_KINDS = (
    "text",
    "image",
    "video",
    "audio",
    "document",
    "sticker",
    "location",
    "contact",
    "button",
    "reaction",
    "form",
    "template",
)


def _kind(value: object) -> str:
    kind = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
    return kind if kind in _KINDS else "unknown"


Part = Annotated[
    Annotated[Text, Tag("text")]
    | Annotated[Image, Tag("image")]
    | Annotated[Video, Tag("video")]
    | Annotated[Audio, Tag("audio")]
    | Annotated[Document, Tag("document")]
    | Annotated[Sticker, Tag("sticker")]
    | Annotated[Location, Tag("location")]
    | Annotated[ContactCard, Tag("contact")]
    | Annotated[Button, Tag("button")]
    | Annotated[Reaction, Tag("reaction")]
    | Annotated[Form, Tag("form")]
    | Annotated[Template, Tag("template")]
    | Annotated[Unknown, Tag("unknown")],
    Discriminator(_kind),
]
"""One part of a message or reply. A kind that a reader does not know is read as `unknown`."""

Media = Image | Video | Audio | Document | Sticker


def text_of(parts: tuple[Part, ...]) -> str:
    """Return all that a person wrote in `parts`, line by line: texts, captions, buttons."""
    lines = [getattr(part, "text", None) or getattr(part, "caption", None) for part in parts]
    return "\n".join(line for line in lines if line)
