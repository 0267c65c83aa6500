"""Real and official requests are read as their sidecars say. Where we read otherwise on purpose, a table says why.

The corpus is third-party data that lies beside the checkout; where it is absent, these tests skip. Mail has its own
file. A new channel adds a row to corpus_tables.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from services.channels.loader import available
from tests.channels.corpus import Payload, corpus
from tests.channels.corpus_judges import judged, otherwise
from tests.channels.corpus_tables import CORNERS, DISAGREES, MAIL, WAITING


def every_payload() -> Iterable[Any]:
    found = [payload for corner in CORNERS.values() for payload in corner.payloads()]
    if not found:
        reason = f"no corpus at {corpus()}: it lies only beside the makers' checkout"
        return [pytest.param(None, marks=pytest.mark.skip(reason=reason))]
    return [pytest.param(payload, id=payload.id) for payload in found]


@pytest.mark.parametrize("payload", every_payload())
def test_corpus_payload_is_read_as_its_sidecar_says(payload: Payload) -> None:
    wrong = otherwise(payload) if payload.id in DISAGREES else judged(payload)
    assert not wrong, "\n".join(wrong)


# --- the whole -----------------------------------------------------------------------------------------------


@pytest.fixture
def folders() -> set[str]:
    if not corpus().is_dir():
        pytest.skip(f"no corpus at {corpus()}: it lies only beside the makers' checkout")
    return {path.name for path in corpus().iterdir() if path.is_dir()}


def test_corpus_totals(folders: set[str], capsys: pytest.CaptureFixture[str]) -> None:
    for name in folders & set(CORNERS):
        payloads = CORNERS[name].payloads()
        other = [payload for payload in payloads if payload.id in DISAGREES]
        wrong = [payload.id for payload in payloads if payload not in other and judged(payload)]
        with capsys.disabled():
            print(  # noqa: T201 - the totals are for people
                f"\n{name}: {len(payloads) - len(other) - len(wrong)} as expected, {len(other)} otherwise on purpose,"
                  f" {len(wrong)} wrong, of {len(payloads)}")  # fmt: skip
        assert not wrong


def test_corpus_folders_are_all_known(folders: set[str]) -> None:
    assert folders <= {*CORNERS, *MAIL, *WAITING}


def test_corpus_folder_waits_for_a_channel_only_while_there_is_none() -> None:
    late = {folder for folder, channel in WAITING.items() if channel in available()}
    assert not late, f"now that there is a channel, these belong in CORNERS: {late}"


def test_corpus_disagreement_is_about_a_payload_that_exists_and_really_differs(folders: set[str]) -> None:
    payloads = {payload.id: payload for name in folders & set(CORNERS) for payload in CORNERS[name].payloads()}
    for name in DISAGREES:
        if name in payloads:
            assert judged(payloads[name]), f"{name} reads as its sidecar says: take it out of the table"
