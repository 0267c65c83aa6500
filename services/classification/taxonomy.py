"""The taxonomy: which topics there are, in the words of the municipality, and which department answers each."""

import hashlib
from collections.abc import Iterator
from enum import StrEnum
from functools import cached_property
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from services.classification.lexicon import Lexicon, Stem
from services.classification.words import fold, read

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=40)]
TopicName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(_[a-z0-9]+)*$", max_length=40)]
Sentence = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Probability = Annotated[float, Field(ge=0.0, le=1.0)]


class Gate(StrEnum):
    """Why a message is not simply about its topic. The names are those of the event's data."""

    EMERGENCY = "emergency"
    STOP = "stop"
    THANKS = "thanks"
    GREETING = "greeting"
    FOLLOW_UP = "follow_up"
    LOCATION_ONLY = "location_only"
    MEDIA_ONLY = "media_only"
    UNCLEAR = "unclear"


class _Part(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=lambda name: name.replace("_", "-"), populate_by_name=True
    )


class Department(_Part):
    """Who answers. `tau`: how sure (0..1) the router must be to send a message here; without it the policy's holds."""

    name: Slug
    title: Sentence
    tau: Probability | None = None


class CounterExample(_Part):
    """A message that looks like this topic and is not."""

    text: Sentence
    topic: TopicName


class Topic(_Part):
    """What a message can be about.

    `first_line`: answered by the contact centre first. `weight`: how much its stems count (a thank-you says little of
    what a message is about). `gate`: what a message is when it is about nothing else. `urgent`: people must look at
    once. `border`: why another municipality may give it to another department.
    """

    name: TopicName
    title: Sentence
    explanation: Sentence
    department: Slug
    first_line: bool = False
    weight: Annotated[float, Field(gt=0.0, le=2.0)] = 1.0
    gate: Gate | None = None
    urgent: bool = False
    border: Sentence | None = None
    stems: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    examples: tuple[Sentence, ...] = ()
    counter_examples: tuple[CounterExample, ...] = ()


class Policy(_Part):
    """When a message is sent on by itself.

    `tau`: how sure (0..1) for a first message; `another_matter`: how sure to leave an open conversation.
    `window_hours`: how long after its last entry a conversation keeps its department.
    """

    default_queue: Slug
    first_line_department: Slug | None = None
    tau: Probability = 0.45
    another_matter: Probability = 0.6
    window_hours: Annotated[float, Field(gt=0.0)] = 72.0


class Taxonomy(_Part):
    """A whole taxonomy, checked when read (`reading.read_taxonomy`).

    `common_words` are never taken for a misspelt stem; `filler_words` say nothing by themselves; `doubt_words` make a
    thank-you less than that ("bedankt, maar ...").
    """

    version: Annotated[str, StringConstraints(pattern=r"^\d+(\.\d+){0,2}$")]
    languages: Annotated[tuple[str, ...], Field(min_length=1)]
    policy: Policy
    common_words: tuple[str, ...] = ()
    filler_words: tuple[str, ...] = ()
    doubt_words: tuple[str, ...] = ()
    departments: Annotated[tuple[Department, ...], Field(min_length=1)]
    topics: Annotated[tuple[Topic, ...], Field(min_length=1)]

    @cached_property
    def digest(self) -> str:
        """12 hexadecimal digits that change when anything in the taxonomy does."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:12]

    @cached_property
    def lexicon(self) -> Lexicon:
        """Compiled at the first use, then kept."""
        speaking = frozenset(topic.name for topic in self.topics if topic.gate is None)
        return Lexicon(tuple(_stems_of(self)), speaking, _words_of(self), frozenset(_common_words(self)))

    @cached_property
    def fillers(self) -> frozenset[str]:
        """Words that add nothing to a greeting, a thank-you or a photo."""
        courtesies = {Gate.THANKS, Gate.GREETING}
        polite = (stem for stem in self.lexicon.stems if self.by_name[stem.topic].gate in courtesies)
        courteous = {part.strip() for stem in polite for part in stem.parts}
        return frozenset(courteous) | {fold(word) for word in self.filler_words}

    @cached_property
    def by_name(self) -> dict[str, Topic]:
        """Topic name -> topic."""
        return {topic.name: topic for topic in self.topics}

    @cached_property
    def owners(self) -> dict[str, str]:
        """Topic -> the department whose queue it goes to: the first line's when the topic says so."""
        return {topic.name: self._owner(topic) for topic in self.topics}

    @cached_property
    def titles(self) -> dict[str, str]:
        """Department -> what people call it."""
        return {department.name: department.title for department in self.departments}

    @cached_property
    def taus(self) -> dict[str, float]:
        """Department -> how sure the router must be to send a message there."""
        return {each.name: self.policy.tau if each.tau is None else each.tau for each in self.departments}

    def _owner(self, topic: Topic) -> str:
        return self.policy.first_line_department or topic.department if topic.first_line else topic.department


def _stems_of(taxonomy: Taxonomy) -> list[Stem]:
    written = ((topic, stem) for topic in taxonomy.topics for stems in topic.stems.values() for stem in stems)
    stems = (Stem.parse(stem, topic.name, topic.weight) for topic, stem in written)
    return list({(stem.topic, stem.parts): stem for stem in stems}.values())


def _words_of(taxonomy: Taxonomy) -> frozenset[str]:
    """The words of the municipality's own language: those are what a misspelt word may have meant."""
    own = taxonomy.languages[0]
    topics = (topic for topic in taxonomy.topics if topic.gate is None)
    stems = (Stem.parse(stem) for topic in topics for stem in topic.stems.get(own, ()))
    return frozenset(part.strip() for stem in stems for part in stem.parts)


def _common_words(taxonomy: Taxonomy) -> Iterator[str]:
    """Words that the municipality itself uses are spelled as they are meant."""
    for topic in taxonomy.topics:
        counters = (each.text for each in topic.counter_examples)
        for text in (topic.title, topic.explanation, *topic.examples, *counters):
            yield from read(text).tokens
    yield from taxonomy.common_words
