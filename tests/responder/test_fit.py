"""What an employee wrote goes out whole, in pieces that the channel carries."""

import itertools
import re
import unicodedata
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.events import SendRequested, Via
from schemas.parts import (
    MAX_TEXT,
    Address,
    AddressKind,
    Button,
    ContactCard,
    Document,
    Form,
    Image,
    Location,
    Part,
    Reaction,
    Template,
    Text,
    Unknown,
)
from services.channels.base import Limits
from services.responder.fit import fit, split
from services.responder.graphemes import last_cut, may_cut

NUMBERED = re.compile(r" \((\d+)/(\d+)\)$")

FAMILY = "\N{MAN}\u200d\N{WOMAN}\u200d\N{GIRL}"
FLAG = "\N{REGIONAL INDICATOR SYMBOL LETTER N}\N{REGIONAL INDICATOR SYMBOL LETTER L}"
THUMB = "\N{THUMBS UP SIGN}\N{EMOJI MODIFIER FITZPATRICK TYPE-5}"
ACCENTED = "e\u0301"
KEYCAP = "1\ufe0f\u20e3"
HANGUL = "\u1112\u1161\u11ab"


@pytest.mark.parametrize(
    "whole",
    [
        pytest.param(FAMILY, id="a family of joined emoji"),
        pytest.param(FLAG, id="a flag"),
        pytest.param(THUMB, id="a thumb with a skin colour"),
        pytest.param(ACCENTED, id="a letter with an accent of its own"),
        pytest.param(KEYCAP, id="a key cap"),
        pytest.param(HANGUL, id="a Korean syllable in three letters"),
        pytest.param("\r\n", id="a line end of two characters"),
    ],
)
def test_no_character_as_people_see_it_is_cut(whole: str) -> None:
    assert not any(may_cut(whole, at) for at in range(1, len(whole)))
    assert may_cut(whole + whole, len(whole))
    assert may_cut("a" + whole, 1)


def test_a_row_of_flags_is_cut_between_flags() -> None:
    assert [at for at in range(7) if may_cut(FLAG * 3, at)] == [0, 2, 4, 6]


def test_a_character_longer_than_the_limit_is_cut_all_the_same() -> None:
    assert last_cut("a" + "\u0301" * 50, 10) == 10


@pytest.mark.parametrize(
    ("text", "limit", "pieces"),
    [
        pytest.param("Dag.", 20, ["Dag."], id="a text that fits is left alone, without a number"),
        pytest.param(
            "Eerste alinea hier.\n\nTweede alinea. Klaar.",
            32,
            ["Eerste alinea hier. (1/2)", "Tweede alinea. Klaar. (2/2)"],
            id="it is cut at the end of a paragraph first",
        ),
        pytest.param(
            "Wij komen morgen langs. Zet de bak vroeg buiten.",
            36,
            ["Wij komen morgen langs. (1/2)", "Zet de bak vroeg buiten. (2/2)"],
            id="else at the end of a sentence",
        ),
        pytest.param(
            "Wij komen morgen in de loop van de ochtend",
            30,
            ["Wij komen morgen in de (1/2)", "loop van de ochtend (2/2)"],
            id="else between words",
        ),
        pytest.param(
            "Kop.\n\nDeze zin is een stuk langer dan de kop erboven",
            40,
            ["Kop.\n\nDeze zin is een stuk langer (1/2)", "dan de kop erboven (2/2)"],
            id="a short heading is no message of its own",
        ),
        pytest.param("abcdefghijklmnop", 14, ["abcdefgh (1/2)", "ijklmnop (2/2)"], id="else between characters"),
        pytest.param(FLAG * 5, 9, [FLAG + " (1/5)"] + [f"{FLAG} ({n}/5)" for n in (2, 3, 4, 5)], id="never inside one"),
    ],
)
def test_a_long_text_is_cut_where_it_reads_best(text: str, limit: int, pieces: list[str]) -> None:
    assert split(text, limit) == pieces


def test_blanks_at_the_end_make_no_second_message() -> None:
    assert split("Dag." + " " * 50, 20) == ["Dag."]


def test_ten_pieces_or_more_leave_room_for_their_numbers() -> None:
    pieces = split("woord " * 40, 20)
    assert len(pieces) > 9
    assert max(map(len, pieces)) <= 20
    assert pieces[-1].endswith(f"({len(pieces)}/{len(pieces)})")


texts = st.text(
    st.one_of(
        st.characters(codec="utf-8"),
        st.sampled_from([" ", " ", "\n", ".", "e", "\u0301", "\u200d", "\U0001f1f3", "\U0001f3fd", "\u1161"]),
    ),
    max_size=400,
)


@settings(deadline=None)  # machines are shared
@given(text=texts, limit=st.integers(20, 120))
def test_every_word_arrives_once_and_in_order_in_pieces_that_fit(text: str, limit: int) -> None:
    pieces = split(text, limit)
    assert all(len(piece) <= limit for piece in pieces)
    assert _without_blanks("".join(map(_without_number, pieces))) == _without_blanks(text) or len(pieces) == 1


@settings(deadline=None)  # machines are shared
@given(text=texts, limit=st.integers(20, 120))
def test_cuts_are_between_characters_as_people_see_them(text: str, limit: int) -> None:
    pieces = [_without_number(piece) for piece in split(text, limit)]
    for before, after in itertools.pairwise(pieces):
        adjacent = before + after in text
        longer_than_a_piece = not any(may_cut(before, at) for at in range(1, len(before)))
        assert not adjacent or longer_than_a_piece or may_cut(before + after, len(before))


@settings(deadline=None)  # machines are shared
@given(text=texts, limit=st.integers(20, 120))
def test_the_same_text_is_always_cut_the_same(text: str, limit: int) -> None:
    assert split(text, limit) == split(text, limit)


def _without_number(piece: str) -> str:
    return NUMBERED.sub("", piece)


def _without_blanks(text: str) -> str:
    return re.sub(r"[ \t\r\n]", "", text)


words = st.text(max_size=200)
maybe = st.none() | words
some_part = st.one_of(
    st.builds(Text, text=words),
    st.builds(Image, caption=maybe, filename=maybe, media_id=maybe, file=st.none(), media_type=st.none()),
    st.builds(Document, caption=maybe, filename=maybe, media_id=maybe, file=st.none(), media_type=st.none()),
    st.builds(Location, latitude=st.floats(-90, 90), longitude=st.floats(-180, 180), name=maybe, url=maybe),
    st.builds(Button, text=words, description=maybe),
    st.builds(Form, name=maybe, fields=st.dictionaries(words, words, max_size=3)),
    st.builds(ContactCard, name=maybe, addresses=st.just(())),
    st.builds(Reaction, emoji=words, to_external_id=words),
    st.builds(Template, name=words, parameters=st.lists(words, max_size=3).map(tuple)),
    st.builds(Unknown, type=words, text=maybe),
)
SPARSE = Limits(max_text=30)
REQUEST = SendRequested(
    tenant="00000001234567890000",
    reply="r1",
    conversation="c1",
    via=Via(channel="paper", provider="own", inbox="meldingen"),
    address=Address(kind=AddressKind.TEL, value="+31612345678"),
    parts=(Text(text="Dag"),),
    not_after=datetime(2026, 11, 24, tzinfo=UTC),
)
LIMITS = Limits(max_text=60, max_caption=10, accepts=frozenset({"text", "image"}))


@pytest.mark.parametrize(
    ("parts", "fitted"),
    [
        pytest.param(
            [Image(caption="Kort", media_id="1")],
            [Image(caption="Kort", media_id="1")],
            id="a caption that fits stays with its picture",
        ),
        pytest.param(
            [Image(caption="Zo ziet de lantaarn eruit", media_id="1")],
            [Image(media_id="1"), Text(text="Zo ziet de lantaarn eruit")],
            id="a longer caption follows its picture as text",
        ),
        pytest.param(
            [Text(text="Dag"), Text(text="Klaar")],
            [Text(text="Dag"), Text(text="Klaar")],
            id="two texts stay two messages",
        ),
        pytest.param(
            [Text(text="Hier is het:"), Location(latitude=52.09, longitude=5.12, name="Loket")],
            [Text(text="Hier is het:\n\nPlek:\nLoket\n52.090000, 5.120000")],
            id="what the channel has no form for is written out under the text before it",
        ),
        pytest.param(
            [Document(filename="folder.pdf", caption="De folder")],
            [Text(text="De folder\n[Bestand dat hier niet past: folder.pdf]")],
            id="a file that cannot go is named, and its caption kept",
        ),
        pytest.param(
            [Text(text="Kies:"), Button(text="Ja"), Button(text="Nee", description="later")],
            [Text(text="Kies:\n\n- Ja\n\n- Nee\nlater")],
            id="buttons become lines",
        ),
        pytest.param(
            [ContactCard(name="Balie", addresses=(Address(kind=AddressKind.TEL, value="+31101234567"),))],
            [Text(text="Balie\n+31101234567")],
            id="a visiting card becomes its lines",
        ),
        pytest.param(
            [Form(name="Melding", fields={"straat": "Dorpsstraat"})],
            [Text(text="Melding\nstraat: Dorpsstraat")],
            id="a form becomes its fields",
        ),
        pytest.param([Reaction(emoji="", to_external_id="1")], [Text(text="[Reactie ingetrokken]")], id="a reaction"),
        pytest.param([Template(name="welkom")], [Text(text="[Standaardbericht welkom]")], id="a template"),
        pytest.param([Unknown(type="order")], [Text(text="[Bericht dat hier niet past]")], id="an unknown kind"),
    ],
)
def test_what_the_channel_cannot_carry_becomes_what_it_can(parts: list[Part], fitted: list[Part]) -> None:
    assert [part.model_dump() for part in fit(parts, LIMITS)] == [part.model_dump() for part in fitted]


@pytest.mark.parametrize(
    "part",
    [
        pytest.param(Image(caption="a" * 40_000), id="a caption as long as a book"),
        pytest.param(Form(fields={"verhaal": "b" * 40_000}), id="a form with a book in it"),
    ],
)
def test_what_is_longer_than_an_event_holds_is_split_however_much_the_channel_takes(part: Part) -> None:
    parts = fit([Text(text="Dag"), part], Limits(max_text=100_000, max_caption=10))
    texts = [part.text for part in parts if isinstance(part, Text)]
    assert max(map(len, texts)) <= MAX_TEXT
    assert sum(text.count("a") + text.count("b") for text in texts) >= 40_000


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(parts=st.lists(some_part, min_size=1, max_size=4), limits=st.sampled_from([LIMITS, SPARSE]))
def test_whatever_is_sent_can_be_carried_and_kept(parts: list[Part], limits: Limits) -> None:
    fitted = fit(parts, limits)
    assert fitted
    assert all(part.kind in limits.accepts for part in fitted)
    assert all(len(part.text) <= limits.max_text for part in fitted if isinstance(part, Text))
    kept = SendRequested.model_validate_json(REQUEST.model_copy(update={"parts": fitted}).model_dump_json())
    assert kept.parts == fitted
    assert fit(fitted, limits) == fitted


def test_a_text_that_grew_by_what_was_written_out_is_split_too() -> None:
    parts = fit([Text(text="a" * 50), Location(latitude=1, longitude=2)], LIMITS)
    assert [part.kind for part in parts] == ["text", "text"]
    assert all(isinstance(part, Text) and len(part.text) <= LIMITS.max_text for part in parts)


def test_the_example_characters_are_what_they_say() -> None:
    assert unicodedata.name(FAMILY[1]) == "ZERO WIDTH JOINER"
