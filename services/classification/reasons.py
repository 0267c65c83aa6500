"""Why a message goes where it goes, in Dutch for the agent: spelled from the lexicon, not from the citizen's words."""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from services.classification.lexicon import Hit
from services.classification.taxonomy import Gate, Taxonomy

MOST_STEMS = 5


class ReasonKind(StrEnum):
    """What a reason rests on."""

    STEM = "stem"
    GATE = "gate"
    CONVERSATION = "conversation"
    UNSURE = "unsure"
    ALSO = "also"
    URGENT = "urgent"


class Reason(NamedTuple):
    """`sentence` is shown to people; the other fields are for machines."""

    kind: ReasonKind
    sentence: str
    topic: str | None = None
    stem: str | None = None


_GATE_SAYS = {
    Gate.EMERGENCY: "Dit lijkt een noodgeval. Kijk er meteen naar.",
    Gate.STOP: "De burger wil geen berichten meer.",
    Gate.THANKS: "De burger zegt dank je wel.",
    Gate.GREETING: "Het bericht is alleen een groet.",
    Gate.FOLLOW_UP: "De burger vraagt hoe het staat met een eerder bericht.",
    Gate.LOCATION_ONLY: "Het bericht is alleen een plaats.",
    Gate.MEDIA_ONLY: "Het bericht is alleen een foto, filmpje of opname.",
    Gate.UNCLEAR: "In het bericht staat niets waaraan de afdeling te herkennen is.",
}


def of_gate(gate: Gate) -> Reason:
    """What kind of message this is."""
    return Reason(ReasonKind.GATE, _GATE_SAYS[gate])


def of_hits(hits: Iterable[Hit], taxonomy: Taxonomy) -> list[Reason]:
    """The strongest stems first."""
    strongest = sorted(hits, key=lambda hit: (-hit.weight, hit.start))[:MOST_STEMS]
    return [_of_hit(hit, taxonomy) for hit in strongest]


def _of_hit(hit: Hit, taxonomy: Taxonomy) -> Reason:
    topic = taxonomy.by_name[hit.stem.topic]
    return Reason(ReasonKind.STEM, f"“{hit.stem.spelled}” hoort bij {topic.title}.", topic.name, hit.stem.spelled)


def of_conversation(department: str, taxonomy: Taxonomy) -> Reason:
    """It stays where its conversation is."""
    return Reason(ReasonKind.CONVERSATION, f"Het gesprek liep al bij {taxonomy.titles.get(department, department)}.")


def of_doubt(department: str, probability: float, tau: float, taxonomy: Taxonomy) -> Reason:
    """Nobody is sure enough, so that people decide."""
    title = taxonomy.titles[department]
    return Reason(ReasonKind.UNSURE, f"Niet zeker genoeg: {probability:.0%} voor {title}, {tau:.0%} is nodig.")


def of_second(department: str, taxonomy: Taxonomy) -> Reason:
    """Another department may have to know."""
    return Reason(ReasonKind.ALSO, f"Het bericht gaat misschien ook over {taxonomy.titles[department]}.")


def of_urgency(topic: str, taxonomy: Taxonomy) -> Reason:
    """People must look at once."""
    return Reason(ReasonKind.URGENT, f"{taxonomy.by_name[topic].title} heeft haast.", topic)
