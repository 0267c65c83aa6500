"""A YAML document that knows on which line each thing stands, and what is said of its mistakes.

TaxonomyError
"""

from collections.abc import Iterator
from dataclasses import dataclass

import yaml

Place = tuple[str | int, ...]


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


class Document:
    """A YAML document that remembers on which line each thing stands."""

    def __init__(self, root: yaml.Node | None) -> None:
        self._lines: dict[Place, int] = {(): 1}
        self._doubled: list[Mistake] = []
        self.data = self._value(root, ()) if root is not None else {}

    @classmethod
    def parse(cls, text: str, name: str) -> "Document":
        """Raises TaxonomyError when the text is not YAML; `name` is what the mistake calls the file."""
        try:
            return cls(yaml.compose(text, Loader=yaml.SafeLoader))
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            sentence = f"this is not YAML: {error.problem}; check the indentation, the quotes and the brackets here"
            raise TaxonomyError(name, [Mistake(line, sentence)]) from None
        except yaml.YAMLError as error:
            raise TaxonomyError(name, [Mistake(1, f"this is not YAML: {error}")]) from None

    def line(self, place: Place) -> int:
        """Where it stands, or else where what should hold it stands."""
        while place not in self._lines:
            place = place[:-1]
        return self._lines[place]

    def doubled_keys(self) -> list[Mistake]:
        """Keys that YAML would quietly overwrite."""
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
    if node.tag == "tag:yaml.org,2002:str":
        return node.value
    plain = yaml.SafeLoader("")
    try:
        return plain.construct_object(node)
    finally:
        plain.dispose()
