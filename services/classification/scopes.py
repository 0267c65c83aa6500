"""What a message says it is *not* about, and what it only names as a place.

`geen afval deze keer maar een losse stoeprand`; `de lamp bij de school`.
"""

import re
from collections.abc import Sequence

Span = tuple[int, int]

_SIGNS = (" niet ", " geen ", " not ", " kein", " nicht ", " nothing ", " niets ", " niks ")
_DENIALS = (
    re.compile(
        r" (?:geen|niet (?:de|het|een|mijn|onze|om|over|van|voor)|not (?:the|a|about)|kein\w*|nicht)"
        r"(?P<denied> [^|]{1,60}?)(?: \|)?(?= maar | wel | but | sondern )"
    ),
    re.compile(
        r" (?:gaat|is|betreft)(?: het| dit)?(?: me| mij)? niet (?:over|om)(?P<denied>(?: (?!maar )[^|\s]+){1,6})"
    ),
    re.compile(
        r" (?:not about|nothing to do with|(?:niets|niks) te maken met)(?P<denied>(?: (?!but |maar )[^|\s]+){1,6})",
    ),
)


def denied_spans(padded: str) -> Sequence[Span]:
    """The stretches of a padded text whose words the citizen sets aside."""
    if not any(sign in padded for sign in _SIGNS):
        return ()
    return [match.span("denied") for denial in _DENIALS for match in denial.finditer(padded)]


_LANDMARK = re.compile(
    r" (?:in|op|bij|naast|tegenover|achter|langs|rond|rondom|nabij|vlakbij|na|tijdens|near|behind|opposite|next to"
    r"|beside|outside|after|during|bei|neben|nach|obok|przy|po)"
    r"(?: de| het| een| t| mijn| onze| the| a| my| our| der| dem| den)?(?P<place> [^|\s]+)"
)


def landmark_spans(padded: str) -> Sequence[Span]:
    """The words that only say where."""
    return [match.span("place") for match in _LANDMARK.finditer(padded)]
