"""A citizen asks to be forgotten: nothing of them is left in the router's memory, nor in what it writes afterwards."""

from base64 import b64encode
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import events as e
from schemas.cloudevents import encode
from schemas.events import Closing, Reason, Refusal
from schemas.events import DeliveryStatus as S
from schemas.parts import Address, Text, text_of
from schemas.topics import ENTRIES, ERASED
from services.router.tables import COUNTERS, ORPHANS, TABLES
from services.runtime.bus.handler import Outgoing
from tests.router.town import ANNA, ANNA_BSUID, BERT, OIN, OTHER_OIN, UNCLEAR, WASTE, WHATSAPP, Town, author

NUMBER, WORDS, OTHERS = "31612345678", "zwarte-kat-quokka", "bert-schrijft-zelf"
LAMP = f"de lantaarnpaal voor mijn deur is kapot, {WORDS}"
BOTH = (ANNA, ANNA_BSUID)
OPERATOR = author(None, "privacy")


@pytest.fixture
def town() -> Town:
    return Town()


def wamid(name: str) -> str:
    return "wamid." + b64encode(f"{NUMBER}{name}".encode()).decode()


def erase(town: Town, conversation: str, **more: object) -> list[Outgoing]:
    asked = {"tenant": OIN, "author": OPERATOR, "conversation": conversation}
    return town.give(e.ContactErased.model_validate(asked | more))


def written_by(town: Town, message: e.MessageReceived) -> str:
    """The conversation in which a message came first."""
    routed = town.all(e.MessageRouted, lambda each: each.message is not None and each.message == message)
    return routed[0].conversation


def memory(town: Town) -> str:
    rows = [(table.name, key, row) for table in TABLES.tables for key, row in town.state.rows(table)]
    return "\n".join(f"{table} {key} {row.model_dump_json()}" for table, key, row in rows)


def written(outgoings: list[Outgoing]) -> str:
    """All that stands in these records: keys, headers, values."""
    records = [(each.key, *(encode(each.event) if each.event else ([], b""))) for each in outgoings]
    return "\n".join(f"{key} {headers} {value.decode()}" for key, headers, value in records)


def history(town: Town, *conversations: str) -> list[e.EntryRecorded]:
    """What compaction leaves of histories; of all, when none is named."""
    entries = [each for each in town.out if each.topic == ENTRIES.name]
    last = {each.key: each.event.data for each in entries if each.event}
    for each in entries:
        if each.event is None and each is [one for one in entries if one.key == each.key][-1]:
            last.pop(each.key, None)
    found = [data for data in last.values() if isinstance(data, e.EntryRecorded)]
    return [data for data in found if not conversations or data.conversation in conversations]


def early_receipt(town: Town, name: str) -> None:
    """A receipt of an answer that nobody knows of; providers name the recipient."""
    data = e.ReceiptReceived(
        tenant=OIN,
        via=WHATSAPP,
        external_id=wamid(name),
        status=S.FAILED,
        recipient=ANNA,
        times=e.Times(happened=town.now, received=town.now),
    )
    town.give(data)


def nothing_of_anna_in(text: str) -> bool:
    return not any(canary in text for canary in (NUMBER, WORDS, ANNA_BSUID.value, "wamid."))


# --- whole conversations -------------------------------------------------------------------------------------


def a_long_past(town: Town) -> list[str]:
    """Anna wrote, was answered, waits, was moved, was closed, and has an answer on its way; returns all of it."""
    lamp = written_by(town, town.message(LAMP, *BOTH, external_id=wamid("1"), subject=WORDS, thread=(wamid("0"),)))
    town.give(e.RoutingCorrected(tenant=OIN, author=OPERATOR, conversation=lamp, department="kcc", note="hier"))
    sent = town.reply(lamp, f"Beste Anna, {WORDS}", by=author("kcc"))
    town.sent(sent, wamid("2"))
    bin_ = written_by(town, town.message(f"{WASTE} {WORDS}", *BOTH, external_id=wamid("3")))
    town.reply(bin_, f"Onderweg {WORDS}", by=author("waste"))
    town.reply(bin_, f"Wacht {WORDS}", by=author("waste"))
    town.echo(wamid("4"))
    early_receipt(town, "5")
    town.give(e.ConversationNoted(tenant=OIN, author=author("waste"), conversation=bin_, text=f"Anna {WORDS}"))
    town.give(e.ConversationClosed(tenant=OIN, author=author("kcc"), conversation=lamp))
    return [lamp, bin_]


def test_nothing_of_them_is_left_in_memory_or_history_nor_in_what_is_written_of_it(town: Town) -> None:
    lamp, bin_ = a_long_past(town)
    assert not nothing_of_anna_in(memory(town))
    out = erase(town, lamp)
    assert nothing_of_anna_in(memory(town))
    assert nothing_of_anna_in(written(out))
    assert nothing_of_anna_in("".join(map(str, history(town))))
    assert [(each.kind, each.text) for each in history(town, lamp)] == [(e.EntryKind.CLOSE, Closing.ERASED)]
    assert [(each.kind, each.text) for each in history(town, bin_)] == [(e.EntryKind.CLOSE, Closing.ERASED)]


def test_what_was_counted_stays_counted_and_what_was_open_is_closed_as_erased(town: Town) -> None:
    lamp, bin_ = a_long_past(town)
    town.message(f"en nog iets over de gft-bak {WORDS}", *BOTH)
    before = town.all(e.Fact)
    erase(town, lamp)
    new = town.all(e.Fact)[len(before) :]
    closed = [each for each in new if isinstance(each, e.FactConversationClosed)]
    assert [(each.conversation, each.reason, each.unanswered) for each in closed] == [(bin_, Closing.ERASED, 1)]
    assert {type(each) for each in new} == {e.FactConversationClosed, e.FactDeliveryChanged}


def test_every_department_that_had_it_is_told_to_erase_its_copies_and_so_are_the_stores(town: Town) -> None:
    message = town.message(LAMP, *BOTH)
    conversation = written_by(town, message)
    for department in ("kcc", "waste"):
        town.give(
            e.ConversationHandedOver(tenant=OIN, author=OPERATOR, conversation=conversation, department=department)
        )
    out = erase(town, conversation)
    told = {each.topic: each.event.data for each in out if each.event and isinstance(each.event.data, e.MessageErased)}
    queues = {f"department.town.{name}" for name in ("public-space", "kcc", "waste")}
    assert told.keys() == queues | {ERASED.name}
    assert {(each.message, each.number) for each in told.values()} == {(message.message, 1)}
    closed = {each.topic for each in out if each.event and isinstance(each.event.data, e.ConversationClosed)}
    assert closed == queues


def test_two_weeks_later_not_even_an_id_is_left_in_memory(town: Town) -> None:
    lamp, _ = a_long_past(town)
    erase(town, lamp)
    for sent in town.all(e.SendCancelled):
        town.outcome(e.ReplyCancelled, sent.reply, 1, parts=1, reason=Reason.ERASED, not_begun=(0,))
    town.later(days=15)
    assert {line.split()[0] for line in memory(town).splitlines()} == {COUNTERS.name}


def test_another_process_that_takes_over_knows_as_little(town: Town) -> None:
    lamp, _ = a_long_past(town)
    town.taken_over()
    erase(town, lamp)
    before = memory(town)
    town.taken_over()
    assert sorted(memory(town).splitlines()) == sorted(before.splitlines())
    assert nothing_of_anna_in(memory(town))


# --- replies on their way ------------------------------------------------------------------------------------


def answered(town: Town) -> tuple[str, str]:
    conversation = written_by(town, town.message(LAMP, *BOTH))
    return conversation, town.reply(conversation, WORDS)


def test_an_answer_on_its_way_is_called_back_and_one_that_waits_never_leaves(town: Town) -> None:
    conversation, reply = answered(town)
    second = town.reply(conversation, WORDS)
    erase(town, conversation)
    assert [(each.reply, each.reason) for each in town.all(e.SendCancelled)] == [(reply, Reason.ERASED)]
    town.outcome(e.ReplyCancelled, reply, 1, parts=1, reason=Reason.ERASED, not_begun=(0,))
    assert [each.reply for each in town.all(e.SendRequested)] == [reply]
    for each in (reply, second):
        assert town.statuses(each)[-1] is S.FAILED
        assert town.all(e.FactDeliveryChanged, lambda fact, name=each: fact.reply == name)[-1].reason is Reason.ERASED  # type: ignore[misc]
    assert town.all(e.FactWorklisted) == []
    assert town.poison == []


def test_an_answer_that_had_left_all_the_same_is_followed_to_its_end_without_a_word(town: Town) -> None:
    conversation, reply = answered(town)
    town.receipt(wamid("9"), S.SENT)
    erase(town, conversation)
    before = len(town.out)
    town.sent(reply, wamid("9"))
    town.receipt(wamid("9"), S.READ)
    town.echo(wamid("9"))
    assert town.statuses(reply)[-1] is S.READ
    assert nothing_of_anna_in(written(town.out[before:]))
    assert nothing_of_anna_in(memory(town))
    assert [each.kind for each in history(town, conversation)] == [e.EntryKind.CLOSE]
    assert town.poison == []


@pytest.mark.parametrize(
    "ends",
    [
        pytest.param(lambda town, reply: town.later(minutes=3), id="no receipt ever comes"),
        pytest.param(lambda town, reply: town.receipt("x", S.SENT, ours=(reply, 1, 0)), id="a receipt settles it"),
    ],
)
def test_one_of_which_nobody_knows_is_not_sent_again(town: Town, ends: Callable[[Town, str], object]) -> None:
    conversation, reply = answered(town)
    erase(town, conversation)
    town.unknown(reply, parts=2)
    ends(town, reply)
    town.later(days=15)
    assert len(town.all(e.SendRequested)) == 1
    assert town.all(e.FactWorklisted) == []
    assert town.poison == []
    assert {line.split()[0] for line in memory(town).splitlines()} == {COUNTERS.name}


def test_receipts_that_still_looked_for_their_reply_go_too(town: Town) -> None:
    conversation, _ = answered(town)
    early_receipt(town, "7")
    assert list(town.state.rows(ORPHANS))
    erase(town, conversation)
    assert not list(town.state.rows(ORPHANS))


# --- afterwards ----------------------------------------------------------------------------------------------


def test_whoever_writes_again_is_somebody_new(town: Town) -> None:
    first = town.message(LAMP, *BOTH, external_id=wamid("1"))
    conversation = written_by(town, first)
    [reference] = {each.reference for each in town.all(e.MessageRouted)}
    erase(town, conversation)
    again = town.message(f"{UNCLEAR} {reference}", *BOTH, thread=(wamid("1"), f"token:{conversation}"))
    assert written_by(town, again) != conversation
    assert town.last(e.MessageRouted).linked is None
    assert town.last(e.MessageRouted).number == 1


def test_the_same_webhook_again_is_not_new(town: Town) -> None:
    message = town.message(LAMP, *BOTH, external_id=wamid("1"))
    erase(town, written_by(town, message))
    before = len(town.out)
    town.message(LAMP, *BOTH, external_id=wamid("1"))
    assert len(town.out) == before


def test_what_was_erased_need_not_be_taken_back_and_new_words_for_it_are_set_aside(town: Town) -> None:
    message = town.message(LAMP, *BOTH, external_id=wamid("1"))
    erase(town, written_by(town, message))
    change = {
        "tenant": OIN,
        "message": message.message,
        "via": message.via,
        "external_id": message.external_id,
        "times": message.times,
    }
    assert town.give(e.MessageRevoked.model_validate(change)) == []
    assert town.poison == []
    assert town.give(e.MessageEdited.model_validate(change | {"parts": (Text(text=WORDS),)})) == []
    assert town.poison == ["a change of a message that was erased"]


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        pytest.param(e.ReplyRequested, {"parts": (Text(text="Dag"),), "answers": 1}, id="an answer"),
        pytest.param(e.ConversationNoted, {"text": "Anna belde"}, id="a note"),
        pytest.param(e.ConversationClosed, {}, id="closing it"),
        pytest.param(e.ContactErased, {}, id="erasing it again"),
    ],
)
def test_a_conversation_that_was_erased_is_not_known_any_more(
    town: Town, kind: type[e.Command], more: dict[str, object]
) -> None:
    conversation = written_by(town, town.message(LAMP, *BOTH))
    erase(town, conversation)
    town.give(kind.model_validate({"tenant": OIN, "author": OPERATOR, "conversation": conversation} | more))
    refused = [each for each in town.queue("triage") if isinstance(each, e.ReplyRefused | e.CommandRefused)]
    assert [(each.why, each.conversation) for each in refused] == [(Refusal.UNKNOWN_CONVERSATION, conversation)]


# --- others --------------------------------------------------------------------------------------------------


def test_others_and_other_municipalities_keep_every_word(town: Town) -> None:
    anna = written_by(town, town.message(LAMP, *BOTH))
    bert = written_by(town, town.message(f"{LAMP} {OTHERS}", BERT))
    village = town.message(LAMP, *BOTH, tenant=OTHER_OIN)
    before = [memory(town).count(OTHER_OIN), memory(town).count(bert)]
    erase(town, anna)
    assert [memory(town).count(OTHER_OIN), memory(town).count(bert)] == before
    assert [text_of(each.parts) for each in history(town, bert)] == [f"{LAMP} {OTHERS}"]
    assert [text_of(each.parts) for each in history(town, written_by(town, village))] == [LAMP]


def in_one_thread(town: Town) -> str:
    """Anna wrote, was answered, and Bert joined her thread."""
    conversation = written_by(town, town.message(LAMP, ANNA, external_id=wamid("1")))
    town.reply(conversation, f"Beste Anna {WORDS}")
    town.message(OTHERS, BERT, thread=(wamid("1"),))
    assert town.last(e.MessageRouted).conversation == conversation
    return conversation


def test_in_a_conversation_with_others_only_theirs_goes(town: Town) -> None:
    conversation = in_one_thread(town)
    out = erase(town, conversation)
    assert nothing_of_anna_in(memory(town) + written(out))
    assert nothing_of_anna_in("".join(map(str, history(town))))
    told = {each.number for each in town.all(e.MessageErased)}
    assert told == {1, 2}
    assert [(each.number, text_of(each.parts) or each.text) for each in history(town, conversation)] == [
        (1, "Gewist op verzoek van de burger."),
        (2, "Gewist op verzoek van de burger."),
        (3, OTHERS),
    ]


def test_and_the_others_are_answered_in_it(town: Town) -> None:
    conversation = in_one_thread(town)
    [first] = town.all(e.SendRequested)
    erase(town, conversation)
    town.outcome(e.ReplyCancelled, first.reply, 1, parts=1, reason=Reason.ERASED, not_begun=(0,))
    town.reply(conversation, "Beste Bert", answers=3)
    assert town.last(e.SendRequested).address == BERT
    town.message("dank voor het antwoord, nog een vraag", BERT)
    assert town.last(e.MessageRouted).conversation == conversation
    assert town.poison == []


def test_a_guest_in_anothers_conversation_is_forgotten_there_too(town: Town) -> None:
    conversation = written_by(town, town.message(OTHERS, BERT, external_id="ext-bert"))
    town.message(f"ik ook {WORDS}", *BOTH, thread=("ext-bert",))
    elsewhere = written_by(town, town.message(LAMP, *BOTH))
    out = erase(town, elsewhere)
    assert nothing_of_anna_in(memory(town) + written(out))
    assert [text_of(each.parts) or each.text for each in history(town, conversation)] == [
        OTHERS,
        "Gewist op verzoek van de burger.",
    ]


def test_a_guest_is_named_by_what_they_wrote_and_the_host_stays(town: Town) -> None:
    conversation = written_by(town, town.message(OTHERS, BERT, external_id="ext-bert"))
    town.message(f"ik ook {WORDS}", *BOTH, thread=("ext-bert",))
    [proof] = {line.proof for line in history(town, conversation) if line.proof}
    out = erase(town, conversation, entries=[{"number": 2}], proof=proof)
    assert nothing_of_anna_in(memory(town) + written(out))
    assert [text_of(each.parts) or each.text for each in history(town, conversation)] == [
        OTHERS,
        "Gewist op verzoek van de burger.",
    ]
    town.reply(conversation, "Beste Bert", answers=1, by=OPERATOR)
    assert town.last(e.SendRequested).address == BERT


def test_a_guest_is_forgotten_with_the_conversation_too(town: Town) -> None:
    conversation = written_by(town, town.message(OTHERS, BERT, external_id="ext-bert"))
    town.message(f"ik ook {WORDS}", *BOTH, thread=("ext-bert",))
    town.give(e.ConversationClosed(tenant=OIN, author=OPERATOR, conversation=conversation))
    town.later(days=15)
    assert {line.split()[0] for line in memory(town).splitlines()} == {COUNTERS.name}


# --- what is forgotten already -------------------------------------------------------------------------------


def long_ago(town: Town) -> tuple[str, list[e.EntryRecorded]]:
    conversation = written_by(town, town.message(LAMP, *BOTH))
    town.give(e.ConversationClosed(tenant=OIN, author=OPERATOR, conversation=conversation))
    town.later(days=15)
    return conversation, history(town, conversation)


def entries(lines: list[e.EntryRecorded]) -> list[dict[str, object]]:
    return [{"number": line.number, "message": line.message or line.reply} for line in lines]


def test_a_history_that_outlived_its_conversation_is_erased_by_its_own_proof(town: Town) -> None:
    conversation, lines = long_ago(town)
    [proof] = {line.proof for line in lines if line.number == 1}
    erase(town, conversation, entries=entries(lines), proof=proof)
    assert history(town, conversation) == []
    told = [each.topic for each in town.out if each.event and isinstance(each.event.data, e.MessageErased)]
    assert sorted(told) == sorted([ERASED.name, *(f"department.town.{name}" for name in town_departments(town))])


def town_departments(town: Town) -> list[str]:
    return list(town.router._served[OIN].taxonomy.titles)


@pytest.mark.parametrize("proof", [None, "0" * 32, "é"])
def test_without_the_proof_nothing_is_erased(town: Town, proof: str | None) -> None:
    conversation, lines = long_ago(town)
    erase(town, conversation, entries=entries(lines), proof=proof)
    assert history(town, conversation) == lines
    assert town.last(e.CommandRefused).why is Refusal.UNKNOWN_CONVERSATION


def test_another_municipality_cannot_erase_it(town: Town) -> None:
    conversation, lines = long_ago(town)
    erase(town, conversation, tenant=OTHER_OIN, entries=entries(lines), proof=lines[0].proof)
    assert history(town, conversation) == lines


def test_nor_one_that_is_still_known(town: Town) -> None:
    conversation = written_by(town, town.message(LAMP, *BOTH))
    before = memory(town)
    erase(town, conversation, tenant=OTHER_OIN)
    assert memory(town) == before


# --- whatever came before ------------------------------------------------------------------------------------

STEPS = (
    "anna writes",
    "anna writes of another matter",
    "anna joins bert's thread",
    "bert writes",
    "bert joins anna's thread",
    "answered",
    "it went",
    "nobody knows whether it went",
    "receipt of nobody's",
    "typed outside",
    "moved",
    "closed",
    "merged",
    "a day passes",
)


class Past:
    """What happened, by words."""

    def __init__(self) -> None:
        self.town, self.n = Town(), 0
        self.last: dict[Address, str] = {}

    def step(self, what: str) -> None:
        self.n += 1
        getattr(self, "_" + what.replace(" ", "_").replace("'s", "s"))()

    def _say(self, who: tuple[Address, ...], text: str, thread: tuple[str, ...] = ()) -> None:
        theirs = WORDS if who == BOTH else OTHERS
        external = wamid(str(self.n)) if who == BOTH else f"bert-{self.n}"
        self.town.message(f"{text} {theirs}", *who, external_id=external, thread=thread)
        self.last[who[0]] = external

    def _anna_writes(self) -> None:
        self._say(BOTH, LAMP)

    def _anna_writes_of_another_matter(self) -> None:
        self._say(BOTH, WASTE)

    def _anna_joins_berts_thread(self) -> None:
        self._say(BOTH, UNCLEAR, (self.last.get(BERT, "x"),))

    def _bert_writes(self) -> None:
        self._say((BERT,), "de gft-bak is vol")

    def _bert_joins_annas_thread(self) -> None:
        self._say((BERT,), UNCLEAR, (self.last.get(ANNA, "x"),))

    def _open(self) -> list[str]:
        return list(dict.fromkeys(each.conversation for each in self.town.all(e.MessageRouted)))

    def _do(self, kind: type[e.Command], **more: object) -> None:
        for conversation in self._open()[-1:]:
            asked = {"tenant": OIN, "author": OPERATOR, "conversation": conversation}
            self.town.give(kind.model_validate(asked | more))

    def _answered(self) -> None:
        self._do(e.ReplyRequested, parts=(Text(text="Morgen."),), answers=50)

    def _it_went(self) -> None:
        for send in self.town.all(e.SendRequested)[-1:]:
            self.town.sent(send.reply, wamid(f"out{self.n}"), attempt=send.attempt)

    def _nobody_knows_whether_it_went(self) -> None:
        for send in self.town.all(e.SendRequested)[-1:]:
            self.town.unknown(send.reply, attempt=send.attempt)

    def _receipt_of_nobodys(self) -> None:
        early_receipt(self.town, f"orphan{self.n}")

    def _typed_outside(self) -> None:
        self.town.echo(wamid(f"echo{self.n}"))

    def _moved(self) -> None:
        self._do(e.ConversationHandedOver, department="kcc")

    def _closed(self) -> None:
        self._do(e.ConversationClosed)

    def _merged(self) -> None:
        others = self._open()
        if len(others) > 1:
            self._do(e.ConversationLinked, other=others[-2], merge=True)

    def _a_day_passes(self) -> None:
        self.town.later(days=1)


@settings(deadline=None)  # machines are shared
@given(steps=st.lists(st.sampled_from(STEPS), min_size=1, max_size=12))
def test_whatever_happened_before_nothing_is_left_and_others_keep_theirs(steps: list[str]) -> None:
    past = Past()
    for step in steps:
        past.step(step)
    town = past.town
    town.message(LAMP, *BOTH, external_id=wamid("last"))
    bert = {each.message for each in history(town) if each.sender and each.sender.addresses[0] == BERT}
    out = erase(town, written_by(town, town._inbound[-1].data))  # type: ignore[arg-type]
    left = memory(town)
    assert WORDS not in left
    assert NUMBER not in left
    assert ANNA_BSUID.value not in left
    assert WORDS not in written(out) + "".join(map(str, history(town)))
    assert NUMBER not in written(out) + "".join(map(str, history(town)))
    assert bert == {each.message for each in history(town) if each.sender and each.sender.addresses[0] == BERT}
    assert not [reason for reason in town.poison if "erased" in reason]
