"""The folders of the corpus in whose words they speak, and what we read otherwise, in writing."""

from __future__ import annotations

import hashlib
import hmac

from tests.channels.corpus import Corner


def hub_signature(body: bytes, secret: str) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


CORNERS = {
    "whatsapp": Corner(
        folder="whatsapp",
        channel="whatsapp",
        provider="meta",
        secrets=("app_secret", "verify_token"),
        proof="x-hub-signature-256",
        sign=hub_signature,
        kinds={
            "interactive": "button",
            "contacts": "contact",
            "unsupported": "unknown",
            "call_permission": "unknown",
            "echo_of_own_app_message": "echo",
        },
        statuses={"played": "read"},
    ),
}
MAIL = {"email", "email_reply"}
"""Judged by test_corpus_email.py."""
WAITING = {
    "messenger": "messenger",
    "instagram": "instagram",
    "telegram": "telegram",
    "matrix": "matrix",
    "signal": "signal",
    "livechat": "livechat",
    "open311": "open311",
    "apple": "apple",
    "rcs": "rcs",
    "voice": "phone",
    "email_webhook": "email_webhook",
    "smpp": "sms",
    "sms_bird": "sms",
    "sms_cm": "sms",
    "sms_gateway_bandwidth": "sms",
    "sms_gateway_clickatell": "sms",
    "sms_gateway_jasmin": "sms",
    "sms_gateway_kannel": "sms",
    "sms_gateway_plivo": "sms",
    "sms_govuk_notify": "sms",
    "sms_infobip": "sms",
    "sms_sinch": "sms",
    "sms_twilio": "sms",
    "sms_vonage": "sms",
}
"""Folders that no channel reads yet, and the channel that will: when it comes, its row moves to CORNERS."""

# --- what we read otherwise, in writing ----------------------------------------------------------------------

NOT_KEPT = {
    ("messages", "forwarded"): "that a message was passed on changes nothing for who answers it",
    ("messages", "group_id"): "an answer goes to the writer, not to the group",
    ("messages", "errors"): "Meta's code for 'not supported' says no more than the part's own kind does",
    ("events", "group_id"): "a notice about a group is told to operators as what happened, not where",
    ("events", "from"): "a notice holds nobody's number",
    ("events", "call_id"): "a call is no message of ours; its notice has a digest as id",
    ("events", "direction"): "as call_id",
    ("errors", "title"): "the code says it; Meta's sentence is not kept",
}
"""Fields of a sidecar that an item of ours has no place for, and why that loses nothing that anybody needs."""

NOT_KEPT_OF = {
    ("revoke", "message_id"): "a withdrawal is known by the message it withdraws",
    ("revoke", "sender_id"): "likewise",
    ("edit", "sender_id"): "a change is known by the message it changes",
    ("system", "text"): "Meta's English sentence about a new number is read into a link",
}

DISAGREES: dict[str, tuple[str, dict[str, int]]] = {
    "whatsapp/cloud_receive_group_message_wac_ignored": (
        "a citizen's words in a group are words: kept as a message",
        {"messages": 1},
    ),
    "whatsapp/pywa_call_connect_user_initiated": (
        "a citizen who called wanted something: a message that people see",
        {"messages": 1},
    ),
    "whatsapp/pywa_user_marketing_preferences_signup": (
        "what a citizen chose is theirs to say: a message, marked automatic",
        {"messages": 1},
    ),
    "whatsapp/pywa_call_status_call_status": (
        "how far a telephone call got is no receipt of a reply",
        {"events": 1},
    ),
    "whatsapp/pywa_message_status_group": (
        "a receipt from a group is about the participant, not about the group",
        {"statuses": 1},
    ),
}
"""Payloads that we read otherwise than their sidecars: why, and what comes out instead."""
