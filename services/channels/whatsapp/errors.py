"""Meta's error codes, as data: what each means for us. The code itself goes along, so nothing is hidden.

Source: developers.facebook.com, WhatsApp Cloud API, "Error codes". What is not here is `other`: it fails, visibly.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from schemas.events import Reason
from services.channels.base import RateScope


def _each(reason: Reason, codes: Iterable[int]) -> dict[int, Reason]:
    return dict.fromkeys(codes, reason)


REASONS: Final[dict[int, Reason]] = {
    **_each(Reason.ACCOUNT, range(200, 300)),  # permissions, a family of its own
    **_each(
        Reason.ACCOUNT,
        # who we are (0, 3, 10, 33, 190), what was taken from us, what we did not pay
        (0, 3, 10, 33, 190, 368, 131005, 131031, 131037, 131042, 131044, 131045),
    ),
    **_each(Reason.RATE_LIMIT, (4, 613, 80007, 130429, 131048, 131056, 131064, 133016)),
    **_each(Reason.RETRY, (2, 131000, 131016, 131052, 131053, 131057, 135000)),
    **_each(Reason.WINDOW_CLOSED, (131047,)),
    **_each(
        Reason.RECIPIENT,
        (130472, 130497, 131021, 131026, 131030, 131049, 131050, 131062, 137000),
    ),
    **_each(Reason.CONTENT, (100, 131008, 131009, 131051, 131063)),
    **_each(
        Reason.CONTENT,
        # templates and flows
        (132000, 132001, 132005, 132007, 132008, 132012, 132015, 132016, 132068, 132069),
    ),
}
"""What follows from each code of Meta's."""

_ONE_RECIPIENT: Final = frozenset({131056})


def reason_of(code: int) -> Reason | None:
    """Return what follows from Meta's code; None when the table does not say."""
    return REASONS.get(code)


def scope_of(code: int) -> RateScope:
    """Return who has to slow down: for one code only this citizen, else the whole number."""
    return RateScope.RECIPIENT if code in _ONE_RECIPIENT else RateScope.INBOX
