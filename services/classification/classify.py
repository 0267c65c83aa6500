"""Which department gets a message: a function of the message, where its conversation is, and the taxonomy.

read the words -> find stems -> weigh departments -> a gate? -> in a conversation? -> sure enough? -> explain
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from services.classification import reasons
from services.classification.gates import Reading, closes, gate_of
from services.classification.lexicon import Hit
from services.classification.reasons import Reason
from services.classification.taxonomy import Gate, Taxonomy
from services.classification.words import read

SHARPNESS, PRIOR_OF_DEFAULT, UNSEEN = 1.1, 0.9, 1.0
FIRST_MENTIONED = 0.35
MOST_SUGGESTIONS = 3
SECOND_FROM = 1.6

STAYS_IN_CONVERSATION = frozenset(Gate) - {Gate.EMERGENCY}


@dataclass(frozen=True)
class Message:
    """What is judged. `part_kinds`: the kinds of all parts, such as `text`, `image`, `location`, `audio`."""

    text: str
    part_kinds: frozenset[str] = frozenset({"text"})


@dataclass(frozen=True)
class Context:
    """Where the conversation already is. `age_seconds`: since its last entry, of either side."""

    department: str
    age_seconds: float = 0.0


class Share(NamedTuple):
    """How likely a department is, by the words alone (0..1)."""

    department: str
    probability: float


class Classification(NamedTuple):
    """Where a message goes and why.

    `confidence` (0..1) is how likely the department is by the words alone; `shares` has every department and sums
    to 1; `suggestions` are at most three departments for the people at the default queue. `confident_other`: this is
    another matter than the conversation's. `closes`: only thanks, so that after an answer nothing more is needed.
    `also`: a second department that the message names.
    """

    department: str
    topic: str | None
    confidence: float
    shares: tuple[Share, ...]
    suggestions: tuple[Share, ...]
    reasons: tuple[Reason, ...]
    gate: Gate | None
    urgent: bool
    closes: bool
    confident_other: bool
    also: str | None
    taxonomy_version: str
    lexicon_digest: str


def classify(message: Message, context: Context | None, taxonomy: Taxonomy) -> Classification:
    """Total: any text, any kinds, any context gives an answer, and the same input gives the same answer."""
    words = read(message.text)
    reading = Reading(message.text, message.part_kinds, words, taxonomy.lexicon.hits(words), taxonomy)
    shares = shares_of(reading.hits, taxonomy)
    choice = _choose(gate_of(reading), shares, _open_department(context, taxonomy), taxonomy)
    return _explained(choice, reading, shares)


def shares_of(hits: Sequence[Hit], taxonomy: Taxonomy) -> dict[str, float]:
    """Department -> probability (sum 1). Departments nothing points to share one place: one more changes nothing."""
    sums = _sums(hits, taxonomy)
    default = taxonomy.policy.default_queue
    powers = {name: math.exp(SHARPNESS * total) for name, total in sums.items() if name != default}
    powers[default] = math.exp(SHARPNESS * sums.get(default, 0.0) + PRIOR_OF_DEFAULT)
    unseen = [each.name for each in taxonomy.departments if each.name not in powers]
    powers |= {name: UNSEEN / len(unseen) for name in unseen}
    total = math.fsum(powers.values())
    return {each.name: powers[each.name] / total for each in taxonomy.departments}


def _sums(hits: Sequence[Hit], taxonomy: Taxonomy) -> Mapping[str, float]:
    sums: dict[str, float] = defaultdict(float)
    for hit in hits:
        sums[taxonomy.owners[hit.stem.topic]] += hit.weight
    first = next(
        (owner for hit in hits if (owner := taxonomy.owners[hit.stem.topic]) != taxonomy.policy.default_queue), None
    )
    if first is not None:
        sums[first] += FIRST_MENTIONED
    return {name: min(total, _LARGEST_SUM) for name, total in sums.items()}


_LARGEST_SUM = 300.0


@dataclass(frozen=True)
class _Choice:
    department: str
    gate: Gate | None
    why: tuple[Reason, ...] = ()
    other: bool = False


def _open_department(context: Context | None, taxonomy: Taxonomy) -> str | None:
    """The conversation's department while it is kept; a message still at the default queue has none yet."""
    if context is None or context.department == taxonomy.policy.default_queue:
        return None
    return context.department if context.age_seconds <= taxonomy.policy.window_hours * 3600 else None


def _choose(gate: Gate | None, shares: Mapping[str, float], kept: str | None, taxonomy: Taxonomy) -> _Choice:
    if gate is Gate.EMERGENCY:
        return _Choice(taxonomy.policy.default_queue, gate, (reasons.of_gate(gate),))
    if kept is not None:
        return _choose_in_conversation(gate, shares, kept, taxonomy)
    if gate is not None:
        return _Choice(taxonomy.policy.default_queue, gate, (reasons.of_gate(gate),))
    return _choose_by_words(shares, taxonomy)


def _choose_in_conversation(gate: Gate | None, shares: Mapping[str, float], kept: str, taxonomy: Taxonomy) -> _Choice:
    stay = reasons.of_conversation(kept, taxonomy)
    if gate is not None:
        return _Choice(kept, gate, (reasons.of_gate(gate), stay))
    likeliest = _likeliest(shares)
    if likeliest == kept:
        return _Choice(kept, None)
    is_other = shares[likeliest] >= max(taxonomy.policy.another_matter, taxonomy.taus[likeliest])
    return _Choice(likeliest, None, other=True) if is_other else _Choice(kept, None, (stay,))


def _choose_by_words(shares: Mapping[str, float], taxonomy: Taxonomy) -> _Choice:
    likeliest, default = _likeliest(shares), taxonomy.policy.default_queue
    tau = taxonomy.taus[likeliest]
    if likeliest == default or shares[likeliest] >= tau:
        return _Choice(likeliest, None)
    doubt = reasons.of_doubt(likeliest, shares[likeliest], tau, taxonomy)
    return _Choice(default, Gate.UNCLEAR, (doubt,))


def _likeliest(shares: Mapping[str, float]) -> str:
    return max(shares, key=lambda name: shares[name])


def _explained(choice: _Choice, reading: Reading, shares: Mapping[str, float]) -> Classification:
    hits, taxonomy = reading.hits, reading.taxonomy
    urgent_topic = next((hit.stem.topic for hit in hits if taxonomy.by_name[hit.stem.topic].urgent), None)
    also = _second(choice.department, hits, taxonomy)
    return Classification(
        department=choice.department,
        topic=_topic(choice, hits, taxonomy),
        confidence=shares.get(choice.department, 0.0),
        shares=tuple(Share(name, share) for name, share in shares.items()),
        suggestions=_suggestions(hits, shares, taxonomy),
        reasons=tuple(_all_reasons(choice, hits, urgent_topic, also, taxonomy)),
        gate=choice.gate,
        urgent=urgent_topic is not None,
        closes=choice.gate is Gate.THANKS and closes(reading),
        confident_other=choice.other,
        also=also,
        taxonomy_version=taxonomy.version,
        lexicon_digest=taxonomy.digest,
    )


def _all_reasons(
    choice: _Choice, hits: Sequence[Hit], urgent_topic: str | None, also: str | None, taxonomy: Taxonomy
) -> Iterable[Reason]:
    yield from choice.why
    if urgent_topic is not None:
        yield reasons.of_urgency(urgent_topic, taxonomy)
    yield from reasons.of_hits(_hits_of(choice.department, hits, taxonomy) or hits, taxonomy)
    if also is not None:
        yield reasons.of_second(also, taxonomy)


def _hits_of(department: str, hits: Sequence[Hit], taxonomy: Taxonomy) -> list[Hit]:
    return [hit for hit in hits if taxonomy.owners[hit.stem.topic] == department]


def _topic(choice: _Choice, hits: Sequence[Hit], taxonomy: Taxonomy) -> str | None:
    sums: dict[str, float] = defaultdict(float)
    for hit in _hits_of(choice.department, hits, taxonomy):
        sums[hit.stem.topic] += hit.weight
    return max(sums, key=lambda name: sums[name]) if sums else _topic_of_gate(choice.gate, taxonomy)


def _topic_of_gate(gate: Gate | None, taxonomy: Taxonomy) -> str | None:
    return next((topic.name for topic in taxonomy.topics if gate is not None and topic.gate is gate), None)


def _suggestions(hits: Sequence[Hit], shares: Mapping[str, float], taxonomy: Taxonomy) -> tuple[Share, ...]:
    pointed = {taxonomy.owners[hit.stem.topic] for hit in hits} - {taxonomy.policy.default_queue}
    ranked = sorted(pointed, key=lambda name: (-shares[name], name))
    return tuple(Share(name, shares[name]) for name in ranked[:MOST_SUGGESTIONS])


def _second(first: str, hits: Sequence[Hit], taxonomy: Taxonomy) -> str | None:
    sums: dict[str, float] = defaultdict(float)
    for hit in hits:
        sums[taxonomy.owners[hit.stem.topic]] += hit.weight
    others = {name for name, total in sums.items() if total >= SECOND_FROM} - {first, taxonomy.policy.default_queue}
    return max(sorted(others), key=lambda name: sums[name]) if others else None
