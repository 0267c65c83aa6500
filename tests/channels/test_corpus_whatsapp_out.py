"""What we ask of Meta has the shape of Meta's own examples, and its error codes mean what we say."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from schemas.events import Reason
from schemas.parts import Address, Part
from services.channels.base import Inbox, Outbound
from services.channels.whatsapp.errors import reason_of
from services.channels.whatsapp.sending import request_body
from tests.channels.cases import PART
from tests.channels.corpus import corpus

GOLDEN: dict[str, dict[str, Any]] = {
    "Send Reply to Text Message": {"kind": "text", "text": "<TEXT_MSG_CONTENT>"},
    "Send Image Message by ID": {"kind": "image", "media_id": "<IMAGE_OBJECT_ID>"},
    "Send Reply to Image Message by ID": {"kind": "image", "media_id": "<IMAGE_OBJECT_ID>"},
    "Send Audio Message by ID": {"kind": "audio", "media_id": "<AUDIO_OBJECT_ID>"},
    "Send Reply to Audio Message by ID": {"kind": "audio", "media_id": "<AUDIO_OBJECT_ID>"},
    "Send Document Message by ID": {
        "kind": "document",
        "media_id": "<DOCUMENT_OBJECT_ID>",
        "caption": "<DOCUMENT_CAPTION_TO_SEND>",
        "filename": "<DOCUMENT_FILENAME>",
    },
    "Send Reply to Document Message by ID": {
        "kind": "document",
        "media_id": "<DOCUMENT_OBJECT_ID>",
        "caption": "<DOCUMENT_CAPTION_TO_SEND>",
        "filename": "<DOCUMENT_FILENAME>",
    },
    "Send Reply to Video Message by ID": {
        "kind": "video",
        "media_id": "<VIDEO_OBJECT_ID>",
        "caption": "<VIDEO_CAPTION_TEXT>",
    },
    "Send Reply to Sticker Message by ID": {"kind": "sticker", "media_id": "<MEDIA_OBJECT_ID>"},
    "Send Location Message": {
        "kind": "location",
        "latitude": 37.758056,
        "longitude": -122.425332,
        "name": "META HQ",
        "address": "1 Hacker Way, Menlo Park, CA 94025",
    },
    "Send Reply to Location Message": {
        "kind": "location",
        "latitude": 37.758056,
        "longitude": -122.425332,
        "name": "META HQ",
        "address": "1 Hacker Way, Menlo Park, CA 94025",
    },
    "Send Reply with Reaction Message": {"kind": "reaction", "emoji": "😀", "to_external_id": "wamid.HBgLM..."},
}
"""Meta's requests that we can make, and the part that must become each."""


@pytest.fixture
def official() -> dict[str, Any]:
    path = corpus().parent / "outbound/whatsapp_meta_official_requests.json"
    if not path.exists():
        pytest.skip(f"no official requests at {path}")
    found: dict[str, Any] = json.loads(path.read_text())
    return found


@pytest.mark.parametrize("name", GOLDEN)
def test_corpus_request_has_the_shape_of_metas_own(name: str, official: dict[str, Any]) -> None:
    wanted = official[name]
    quoted = wanted.get("context", {}).get("message_id")
    body = request_body(outbound(GOLDEN[name], wanted["to"], quoted))
    assert body.pop("biz_opaque_callback_data") == "onze-id"
    assert body == wanted


@pytest.mark.parametrize("kind", ["image", "audio", "video", "document", "sticker"])
def test_corpus_request_by_link_has_the_shape_of_metas_own(kind: str, official: dict[str, Any]) -> None:
    names = [name for name in official if name.endswith("by URL") and official[name]["type"] == kind]
    assert names
    for name in names:
        link = {"kind": kind, "media_id": "https://files.example/x", "caption": official[name][kind].get("caption")}
        made = request_body(outbound(link, official[name]["to"], None))[kind]
        assert isinstance(made, dict)
        assert {*made} == {*official[name][kind]}


def test_corpus_template_has_the_shape_of_metas_own(official: dict[str, Any]) -> None:
    wanted = official["Send Message Template Text"]["template"]
    part = {
        "kind": "template",
        "name": wanted["name"],
        "language": wanted["language"]["code"],
        "parameters": ["text-string"],
    }
    made = request_body(outbound(part, "+31612345601", None))["template"]
    wanted["components"][0]["parameters"] = wanted["components"][0]["parameters"][:1]
    assert made == wanted


def outbound(part: Mapping[str, Any], to: str, quoted: str | None) -> Outbound:

    inbox = Inbox("inbox", "whatsapp", "meta", "100200300")
    made: Part = PART.validate_python(part)
    return Outbound(inbox, Address.model_validate({"kind": "tel", "value": to}), made, "onze-id", quoted)


def error_rows() -> list[dict[str, str]]:
    path: Path = corpus().parent / "error_codes/whatsapp.csv"
    return list(csv.DictReader(path.read_text().splitlines())) if path.exists() else []


def test_corpus_error_codes_mean_what_we_say() -> None:
    rows = error_rows()
    if not rows:
        pytest.skip("no table of error codes beside the checkout")
    wrong = [row["code"] for row in rows if meaning(row["code"]) != row["our_class"].replace("_", "-")]
    assert not wrong, f"codes that we take for something else: {wrong}"


def meaning(code: str) -> str:
    """What our table says of a code, or of the last of a range."""
    return reason_of(int(code.rsplit("-", maxsplit=1)[-1])) or Reason.OTHER
