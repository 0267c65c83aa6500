"""Reading a taxonomy from YAML: whole and right, or refused with every mistake, its line, and how to mend it."""

from functools import cache
from importlib import resources
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from services.classification.checks import mistakes_between_parts
from services.classification.document import Document, Mistake, Place, TaxonomyError
from services.classification.taxonomy import Taxonomy

DEFAULT = "taxonomy.yaml"


@cache
def default_taxonomy() -> Taxonomy:
    """The taxonomy that comes with the hub: one for all who use it, since its lexicon takes some 30 MiB."""
    return read_taxonomy(resources.files("services.classification").joinpath(DEFAULT).read_text("utf-8"), DEFAULT)


def load_taxonomy(path: Path) -> Taxonomy:
    """Raises TaxonomyError, or OSError when the file cannot be read."""
    return read_taxonomy(path.read_text("utf-8"), str(path))


def read_taxonomy(text: str, name: str) -> Taxonomy:
    """`name` is what mistakes call the file. Raises TaxonomyError."""
    document = Document.parse(text, name)
    mistakes = [*document.doubled_keys(), *mistakes_between_parts(document)]
    try:
        taxonomy = Taxonomy.model_validate(document.data)
    except ValidationError as error:
        mistakes += _mistakes_of_shape(error, document)
        raise TaxonomyError(name, mistakes) from None
    if mistakes:
        raise TaxonomyError(name, mistakes)
    return taxonomy


def _mistakes_of_shape(error: ValidationError, document: Document) -> list[Mistake]:
    found = [(_place(each["loc"]), each) for each in error.errors()]
    return [Mistake(document.line(place), _sentence(place, each)) for place, each in found]


def _place(loc: tuple[int | str, ...]) -> Place:
    return tuple(step for step in loc if step != "[key]")


def _sentence(place: Place, error: ErrorDetails) -> str:
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
