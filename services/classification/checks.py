"""What pydantic cannot see: names that must exist, or must exist once, in a taxonomy as written."""

from collections.abc import Iterator

from services.classification.document import Document, Mistake, Place
from services.classification.lexicon import Stem, StemError


def mistakes_between_parts(document: Document) -> Iterator[Mistake]:
    """All of them; a document of any shape will do."""
    yield from _twice_named(document, "departments")
    yield from _twice_named(document, "topics")
    yield from _unknown_departments(document)
    yield from _unknown_topics(document)
    yield from _unknown_languages(document)
    yield from _wrong_stems(document)
    yield from _topics_never_found(document)
    yield from _first_lines_without_department(document)


def _listed(document: Document, *place: str | int) -> list[object]:
    found = document.at(*place)
    return found if isinstance(found, list) else []


def _names(document: Document, kind: str) -> list[object]:
    return [document.at(kind, index, "name") for index in range(len(_listed(document, kind)))]


def _twice_named(document: Document, kind: str) -> Iterator[Mistake]:
    names = _names(document, kind)
    for index, name in enumerate(names):
        if isinstance(name, str) and name in names[:index]:
            first = document.line((kind, names.index(name), "name"))
            yield Mistake(
                document.line((kind, index, "name")),
                f"`{name}` already stands on line {first}; give one of the two another name",
            )


def _unknown_departments(document: Document) -> Iterator[Mistake]:
    known = _names(document, "departments")
    places: list[Place] = [("topics", index, "department") for index in range(len(_listed(document, "topics")))]
    for place in [("policy", "default-queue"), ("policy", "first-line-department"), *places]:
        name = document.at(*place)
        if isinstance(name, str) and name not in known:
            listed = ", ".join(str(each) for each in known)
            yield Mistake(
                document.line(place),
                f"there is no department `{name}`; use one of {listed}, or add it under departments",
            )


def _unknown_topics(document: Document) -> Iterator[Mistake]:
    known = _names(document, "topics")
    for index in range(len(known)):
        for number in range(len(_listed(document, "topics", index, "counter-examples"))):
            place: Place = ("topics", index, "counter-examples", number, "topic")
            name = document.at(*place)
            if isinstance(name, str) and name not in known:
                yield Mistake(
                    document.line(place),
                    f"there is no topic `{name}`; a counter-example names the topic that it does belong to",
                )


def _stem_lists(document: Document) -> Iterator[tuple[int, str]]:
    for index in range(len(_listed(document, "topics"))):
        stems = document.at("topics", index, "stems")
        yield from ((index, language) for language in stems) if isinstance(stems, dict) else ()


def _unknown_languages(document: Document) -> Iterator[Mistake]:
    known = _listed(document, "languages")
    for index, language in _stem_lists(document):
        if language not in known:
            place = ("topics", index, "stems", language)
            yield Mistake(
                document.line(place), f"`{language}` is not one of the languages; add it to languages at the top"
            )


def _wrong_stems(document: Document) -> Iterator[Mistake]:
    seen: dict[str, tuple[int, Place]] = {}
    for index, language in _stem_lists(document):
        for number, written in enumerate(_listed(document, "topics", index, "stems", language)):
            place: Place = ("topics", index, "stems", language, number)
            yield from _wrong_stem(document, str(written), index, place, seen)


def _wrong_stem(
    document: Document, written: str, topic: int, place: Place, seen: dict[str, tuple[int, Place]]
) -> Iterator[Mistake]:
    line = document.line(place)
    try:
        meaning = " ".join(sorted(Stem.parse(written).parts))
    except StemError as error:
        yield Mistake(line, f"the stem `{written}` {error}; write at least one letter, or take it out")
        return
    other, where = seen.setdefault(meaning, (topic, place))
    if other != topic:
        name = document.at("topics", other, "name")
        yield Mistake(
            line,
            f"the stem `{written}` already belongs to `{name}` (line {document.line(where)}); keep one of the two",
        )


def _topics_never_found(document: Document) -> Iterator[Mistake]:
    for index, name in enumerate(_names(document, "topics")):
        is_found = any(document.at("topics", index, key) for key in ("stems", "gate"))
        if isinstance(name, str) and not is_found:
            sentence = f"nothing leads to `{name}`; give it stems, or take the topic out"
            yield Mistake(document.line(("topics", index, "name")), sentence)


def _first_lines_without_department(document: Document) -> Iterator[Mistake]:
    if document.at("policy", "first-line-department"):
        return
    for index in range(len(_listed(document, "topics"))):
        place: Place = ("topics", index, "first-line")
        if document.at(*place) is True:
            sentence = "`first-line: true` needs a `first-line-department` under policy; add it there"
            yield Mistake(document.line(place), sentence)
