"""The file that says whom an installation serves: refused as a whole when anything in it is wrong."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.runtime.process.tenants import Scope, TenantsRefused, accounts, read

SECRET = "een-sleutel-van-meer-dan-tweeendertig-tekens"
TOKEN = "een-token-van-de-afvaldienst"
DIGEST = hashlib.sha256(TOKEN.encode()).hexdigest()

GOOD: dict[str, Any] = {
    "tenants": [
        {
            "name": "zonnedael",
            "oin": "00000001823288444000",
            "title": "Gemeente Zonnedael",
            "secret": SECRET,
            "taxonomy": "afdelingen.yaml",
            "inboxes": [{"name": "meldingen", "channel": "whatsapp", "provider": "meta", "account": "1065"}],
            "publishers": [{"name": "afval", "token_sha256": DIGEST, "department": "waste", "scopes": ["reply"]}],
        },
        {
            "name": "maandorp",
            "oin": "00000001823288445000",
            "title": "Gemeente Maandorp",
            "secret": SECRET + "-maandorp",
            "inboxes": [{"name": "vragen", "channel": "whatsapp", "provider": "meta", "account": "1066"}],
        },
    ],
    "endpoints": [{"name": "hoofd", "channel": "whatsapp", "provider": "meta", "secrets": {"app_secret": ["s"]}}],
}

Write = Callable[[object], Path]
Place = tuple[str | int, ...]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(document: object) -> Path:
        path = tmp_path / "tenants.yaml"
        path.write_text(document if isinstance(document, str) else yaml.safe_dump(document), "utf-8")
        return path

    return written


def with_value(place: Place, value: object) -> dict[str, Any]:
    """The good file with one thing changed."""
    document = deepcopy(GOOD)
    at: Any = document
    for step in place[:-1]:
        at = at[step]
    at[place[-1]] = value
    return document


def test_everyone_is_found_by_each_of_their_names(write: Write) -> None:
    tenants = read(write(GOOD))
    found = tenants.by_account("whatsapp", "meta", "1066")
    assert found is not None
    assert (found[0].name, found[1].name) == ("maandorp", "vragen")
    holder = tenants.by_token(TOKEN)
    assert holder is not None
    assert (holder[0].name, holder[1].department, holder[1].scopes) == ("zonnedael", "waste", frozenset({Scope.REPLY}))
    zonnedael = tenants.by_oin("00000001823288444000")
    assert zonnedael is not None
    assert zonnedael.title == "Gemeente Zonnedael"
    assert accounts(tenants)["whatsapp", "meta", "1065"][0] == zonnedael


def test_strangers_are_nobody(write: Write) -> None:
    tenants = read(write(GOOD))
    assert tenants.by_account("whatsapp", "twilio", "1066") is None
    assert tenants.by_token(DIGEST) is None
    assert tenants.by_oin("00000000000000000000") is None


def test_a_taxonomy_lies_beside_the_file_that_names_it(write: Write, tmp_path: Path) -> None:
    zonnedael, maandorp = read(write(GOOD)).tenants
    assert zonnedael.taxonomy == tmp_path / "afdelingen.yaml"
    assert maandorp.taxonomy is None


def test_a_secret_is_shown_by_its_fingerprint_only(write: Write) -> None:
    zonnedael, maandorp = read(write(GOOD)).tenants
    assert len(zonnedael.fingerprint) == 16
    assert zonnedael.fingerprint != maandorp.fingerprint
    assert SECRET not in repr(zonnedael) + str(zonnedael)


@pytest.mark.parametrize(
    ("place", "value", "told"),
    [
        pytest.param(("tenants",), [], "tenants:", id="it serves nobody"),
        pytest.param(("tenants", 0, "oin"), "123", "tenants.0.oin:", id="an OIN is not twenty digits"),
        pytest.param(("tenants", 0, "name"), "Zonne Dael", "tenants.0.name:", id="a name does not fit a topic"),
        pytest.param(("tenants", 0, "name"), "z" * 41, "tenants.0.name:", id="a name is too long for a topic"),
        pytest.param(("tenants", 0, "secret"), "kort", "tenants.0.secret:", id="a secret can be guessed"),
        pytest.param(("tenants", 0, "kleur"), "groen", "tenants.0.kleur:", id="a field is misspelt"),
        pytest.param(("tenants", 1, "name"), "zonnedael", "tenant name used twice: zonnedael", id="a name comes twice"),
        pytest.param(
            ("tenants", 1, "oin"),
            "00000001823288444000",
            "OIN used twice: 00000001823288444000",
            id="two municipalities are one",
        ),
        pytest.param(
            ("tenants", 1, "inboxes", 0, "name"),
            "meldingen",
            "inbox name used twice: meldingen",
            id="an inbox's name comes twice, also over municipalities",
        ),
        pytest.param(
            ("tenants", 1, "inboxes", 0, "account"),
            "1065",
            "account used twice: whatsapp/meta/1065",
            id="an account is of two municipalities",
        ),
        pytest.param(
            ("tenants", 1, "publishers"),
            [{"name": "afval-2", "token_sha256": DIGEST, "scopes": ["route"]}],
            "token used twice",
            id="two publishers have one token",
        ),
        pytest.param(
            ("tenants", 0, "publishers", 0, "token_sha256"),
            TOKEN,
            "tenants.0.publishers.0.token_sha256:",
            id="the token itself stands where its digest belongs",
        ),
        pytest.param(
            ("tenants", 0, "publishers", 0, "scopes"),
            [],
            "tenants.0.publishers.0.scopes:",
            id="a publisher may do nothing",
        ),
        pytest.param(
            ("tenants", 0, "publishers", 0, "scopes"),
            ["alles"],
            "tenants.0.publishers.0.scopes",
            id="a scope does not exist",
        ),
        pytest.param(
            ("tenants", 0, "inboxes", 0, "rate"), 0, "tenants.0.inboxes.0.rate:", id="an inbox may never send"
        ),
        pytest.param(
            ("tenants", 0, "inboxes", 0, "width"), -1, "tenants.0.inboxes.0.width:", id="a width is less than one"
        ),
        pytest.param(
            ("tenants", 0, "inboxes", 0, "account"), "", "tenants.0.inboxes.0.account:", id="an inbox has no account"
        ),
        pytest.param(
            ("endpoints",),
            [GOOD["endpoints"][0]] * 2,
            "endpoint used twice: whatsapp/hoofd",
            id="an endpoint comes twice",
        ),
    ],
)
def test_it_is_refused_with_the_place_when(write: Write, place: Place, value: object, told: str) -> None:
    with pytest.raises(TenantsRefused) as refused:
        read(write(with_value(place, value)))
    assert told in str(refused.value)
    assert SECRET not in str(refused.value)
    assert TOKEN not in str(refused.value)


@pytest.mark.parametrize(
    "document",
    [
        pytest.param("", id="it is empty"),
        pytest.param("tenants: [", id="it is no YAML"),
        pytest.param("- zonnedael", id="it is a list"),
        pytest.param("!!python/object/apply:os.getpid []", id="it wants to run something"),
    ],
)
def test_it_is_refused_whole_when(write: Write, document: str) -> None:
    with pytest.raises(TenantsRefused, match=r"tenants\.yaml"):
        read(write(document))


def test_it_is_refused_when_it_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(TenantsRefused, match=r"nergens\.yaml"):
        read(tmp_path / "nergens.yaml")


def test_every_fault_is_told_at_once(write: Write) -> None:
    document = with_value(("tenants", 0, "oin"), "123")
    document["tenants"][1]["secret"] = "kort"
    with pytest.raises(TenantsRefused, match=r"tenants\.0\.oin.*tenants\.1\.secret"):
        read(write(document))


def test_neither_secrets_nor_tokens_stand_in_the_refusal_of_a_broken_file(write: Write) -> None:
    broken = yaml.safe_dump(GOOD).replace(" secret: ", " secret: : ")
    with pytest.raises(TenantsRefused, match=r"line \d+, column \d+") as refused:
        read(write(broken))
    assert SECRET[:12] not in str(refused.value)
