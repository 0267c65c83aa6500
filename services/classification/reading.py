"""Reading a taxonomy from YAML: whole and right, or refused with every mistake, its line, and how to mend it.

TaxonomyError
"""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from services.classification.lexicon import Stem, StemError
from services.classification.taxonomy import Taxonomy

Place = tuple[str | int, ...]
DEFAULT = "taxonomy.yaml"


@dataclass(frozen=True, order=True)
class Mistake:
    """`line` counts from 1; `sentence` says what is wrong and how to mend it."""

    line: int
    sentence: str


class TaxonomyError(ValueError):
    """The file is not a taxonomy: `mistakes` holds them all, by line; the message has a line for each."""

    def __init__(self, name: str, mistakes: list[Mistake]) -> None:
        self.name = name
        self.mistakes = tuple(sorted(set(mistakes)))
        super().__init__("\n".join(f"{name}:{each.line}: {each.sentence}" for each in self.mistakes))


def default_taxonomy() -> Taxonomy:
    """The taxonomy that comes with the hub."""
    return read_taxonomy(resources.files("services.classification").joinpath(DEFAULT).read_text("utf-8"), DEFAULT)


def load_taxonomy(path: Path) -> Taxonomy:
    """Raises TaxonomyError, or OSError when the file cannot be read."""
    return read_taxonomy(path.read_text("utf-8"), str(path))


def read_taxonomy(text: str, name: str) -> Taxonomy:
    """`name` is what mistakes call the file. Raises TaxonomyError."""
    document = _Document.parse(text, name)
    mistakes = [*document.doubled_keys(), *_mistakes_between_parts(document)]
    try:
        taxonomy = Taxonomy.model_validate(document.data)
    except ValidationError as error:
        mistakes += _mistakes_of_shape(error, document)
        raise TaxonomyError(name, mistakes) from None
    if mistakes:
        raise TaxonomyError(name, mistakes)
    return taxonomy


class _Document:
    """A YAML document that remembers on which line each thing stands."""

    def __init__(self, root: yaml.Node | None) -> None:
        self._lines: dict[Place, int] = {(): 1}
        self._doubled: list[Mistake] = []
        self.data = self._value(root, ()) if root is not None else {}

    @classmethod
    def parse(cls, text: str, name: str) -> "_Document":
        try:
            return cls(yaml.compose(text, Loader=yaml.SafeLoader))
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            sentence = f"this is not YAML: {error.problem}; check the indentation, the quotes and the brackets here"
            raise TaxonomyError(name, [Mistake(line, sentence)]) from None
        except yaml.YAMLError as error:
            raise TaxonomyError(name, [Mistake(1, f"this is not YAML: {error}")]) from None

    def line(self, place: Place) -> int:
        while place not in self._lines:
            place = place[:-1]
        return self._lines[place]

    def doubled_keys(self) -> list[Mistake]:
        return self._doubled

    def at(self, *place: str | int) -> object:
        """What stands there, or None: a wrong file may hold anything anywhere."""
        found: object = self.data
        for step in place:
            found = _child(found, step)
        return found

    def _value(self, node: yaml.Node, place: Place) -> object:
        self._lines.setdefault(place, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            return {key: self._value(child, (*place, key)) for key, child in self._pairs(node, place)}
        if isinstance(node, yaml.SequenceNode):
            return [self._value(child, (*place, index)) for index, child in enumerate(node.value)]
        return _scalar(node)

    def _pairs(self, node: yaml.MappingNode, place: Place) -> Iterator[tuple[str, yaml.Node]]:
        for key_node, child in node.value:
            key, line = str(key_node.value), key_node.start_mark.line + 1
            if (*place, key) in self._lines:
                self._doubled.append(Mistake(line, f"`{key}` stands here twice; keep one of the two"))
            self._lines[(*place, key)] = line
            yield key, child


def _child(parent: object, step: str | int) -> object:
    if isinstance(parent, dict):
        return parent.get(step)
    if isinstance(parent, list) and isinstance(step, int) and step < len(parent):
        child: object = parent[step]
        return child
    return None


def _scalar(node: yaml.Node) -> object:
    plain = yaml.SafeLoader("")
    try:
        return plain.construct_object(node)
    finally:
        plain.dispose()


def _mistakes_of_shape(error: ValidationError, document: _Document) -> list[Mistake]:
    return [
        Mistake(document.line(_place(each["loc"])), _sentence(_place(each["loc"]), dict(each)))
        for each in error.errors()
    ]


def _place(loc: tuple[int | str, ...]) -> Place:
    return tuple(step for step in loc if step != "[key]")


def _sentence(place: Place, error: dict[str, Any]) -> str:
    key = next((step for step in reversed(place) if isinstance(step, str)), "the file")
    match error["type"]:
        case "missing":
            return f"`{key}` is missing here; add it"
        case "extra_forbidden":
            return f"`{key}` is not a key that is known here; check its spelling, or take it out"
        case "string_pattern_mismatch":
            says = _PATTERN_SAYS.get(key, "use lower case letters, digits and hyphens")
            return f"`{error['input']}` cannot be the {key}: {says}"
        case "string_type":
            return f"`{key}` must be text, and this is {error['input']!r}; put quotes round it"
        case _:
            return f"`{key}` is wrong: {error['msg'][0].lower()}{error['msg'][1:]}"


_PATTERN_SAYS = {
    "version": 'write a number such as "1" or "1.4", in quotes',
    "topic": "use lower case letters, digits and underscores",
    "topics": "use lower case letters, digits and underscores",
}


def _mistakes_between_parts(document: _Document) -> Iterator[Mistake]:
    yield from _twice_named(document, "departments")
    yield from _twice_named(document, "topics")
    yield from _unknown_departments(document)
    yield from _unknown_topics(document)
    yield from _unknown_languages(document)
    yield from _wrong_stems(document)
    yield from _topics_never_found(document)
    yield from _first_lines_without_department(document)


def _listed(document: _Document, *place: str | int) -> list[Any]:
    found = document.at(*place)
    return found if isinstance(found, list) else []


def _names(document: _Document, kind: str) -> list[Any]:
    return [document.at(kind, index, "name") for index in range(len(_listed(document, kind)))]


def _twice_named(document: _Document, kind: str) -> Iterator[Mistake]:
    names = _names(document, kind)
    for index, name in enumerate(names):
        if isinstance(name, str) and name in names[:index]:
            first = document.line((kind, names.index(name), "name"))
            yield Mistake(
                document.line((kind, index, "name")),
                f"`{name}` already stands on line {first}; give one of the two another name",
            )


def _unknown_departments(document: _Document) -> Iterator[Mistake]:
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


def _unknown_topics(document: _Document) -> Iterator[Mistake]:
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


def _stem_lists(document: _Document) -> Iterator[tuple[int, str]]:
    for index in range(len(_listed(document, "topics"))):
        stems = document.at("topics", index, "stems")
        yield from ((index, language) for language in stems) if isinstance(stems, dict) else ()


def _unknown_languages(document: _Document) -> Iterator[Mistake]:
    known = _listed(document, "languages")
    for index, language in _stem_lists(document):
        if language not in known:
            place = ("topics", index, "stems", language)
            yield Mistake(
                document.line(place), f"`{language}` is not one of the languages; add it to languages at the top"
            )


def _wrong_stems(document: _Document) -> Iterator[Mistake]:
    seen: dict[str, tuple[int, Place]] = {}
    for index, language in _stem_lists(document):
        for number, written in enumerate(_listed(document, "topics", index, "stems", language)):
            place: Place = ("topics", index, "stems", language, number)
            yield from _wrong_stem(document, str(written), index, place, seen)


def _wrong_stem(
    document: _Document, written: str, topic: int, place: Place, seen: dict[str, tuple[int, Place]]
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


def _topics_never_found(document: _Document) -> Iterator[Mistake]:
    for index, name in enumerate(_names(document, "topics")):
        is_found = any(document.at("topics", index, key) for key in ("stems", "gate"))
        if isinstance(name, str) and not is_found:
            sentence = f"nothing leads to `{name}`; give it stems, or take the topic out"
            yield Mistake(document.line(("topics", index, "name")), sentence)


def _first_lines_without_department(document: _Document) -> Iterator[Mistake]:
    if document.at("policy", "first-line-department"):
        return
    for index in range(len(_listed(document, "topics"))):
        place: Place = ("topics", index, "first-line")
        if document.at(*place) is True:
            sentence = "`first-line: true` needs a `first-line-department` under policy; add it there"
            yield Mistake(document.line(place), sentence)
