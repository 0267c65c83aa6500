"""What lies on a queue, in the words of its employees."""

from __future__ import annotations

import pytest

from schemas import events as e
from schemas.events import Closing, DeliveryStatus, Move
from schemas.parts import Image, Location, Reaction, Text
from schemas.topics import DEPARTMENT
from services.hub.labels import CLOSINGS, MOVES, STATUSES, told, words_of
from tests.hub.past import busy_day

QUEUED = [each.event.data for each in busy_day() if each.topic.startswith("department.")]


@pytest.mark.parametrize(
    "kind", [kind for kind in DEPARTMENT.carries if kind is not e.HubTicked], ids=lambda kind: kind.__name__
)
def test_every_event_of_a_queue_has_a_dutch_name(kind: type[e.Event]) -> None:
    from services.hub.labels import _SAY  # noqa: PLC0415 - the table itself is what is looked at

    assert kind in _SAY


def test_every_event_of_a_day_is_told() -> None:
    for data in QUEUED:
        said = told(data)
        assert said.label
        assert data.TYPE not in said.label


@pytest.mark.parametrize(
    ("kind", "label", "words"),
    [
        pytest.param(e.MessageRouted, "nieuw bericht", "de lantaarnpaal voor mijn deur is kapot", id="a new message"),
        pytest.param(e.MessageReassigned, "niet meer van u", "hoort bij waste", id="a correction"),
        pytest.param(e.ConversationHandedOver, "overgedragen door waste", "graag bellen", id="a hand-over"),
        pytest.param(e.ConversationNoted, "notitie", "de kliko", id="a note"),
        pytest.param(e.ConversationClaimed, "opgepakt", "door jan", id="a claim"),
    ],
)
def test_it_reads(kind: type[e.Event], label: str, words: str) -> None:
    said = [told(data) for data in QUEUED if isinstance(data, kind)]
    assert (label, words) in [(each.label, each.words) for each in said]


def test_a_refused_answer_shows_the_colleagues() -> None:
    refused = next(data for data in QUEUED if isinstance(data, e.ReplyRefused))
    assert told(refused).words.endswith("Uw collega schreef: Wij komen morgen.")


def test_a_failed_answer_says_why() -> None:
    failed = next(
        data for data in QUEUED if isinstance(data, e.DeliveryChanged) and data.status is DeliveryStatus.FAILED
    )
    assert told(failed).words == "is niet verstuurd (recipient)"


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        pytest.param((Text(text="hoi"),), "hoi", id="words"),
        pytest.param((Image(caption="gat"),), "[foto] gat", id="a picture with a caption"),
        pytest.param((Location(latitude=52.0, longitude=5.0), Text(text="hier")), "[plaats] hier", id="a place"),
        pytest.param((Reaction(emoji="+", to_external_id="x"),), "[reactie]", id="a reaction"),
        pytest.param((), "[leeg]", id="nothing"),
    ],
)
def test_what_somebody_sent_in_one_line(parts: tuple[object, ...], said: str) -> None:
    assert words_of(parts) == said  # type: ignore[arg-type]


def test_every_word_of_a_closed_list_has_a_dutch_one() -> None:
    assert set(STATUSES) == set(DeliveryStatus)
    assert set(CLOSINGS) == set(Closing)
    assert set(MOVES) == set(Move)
