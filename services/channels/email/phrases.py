"""How mail programs introduce old words, in the languages that citizens' programs are set to: data for quotes.py."""

from __future__ import annotations

import re

_TIME = r"\d{1,2}[:.]\d{2}"
_INTROS = (
    # The program's own sentence: who wrote, and when.
    r"on\b.{5,400}\bwrote( -*)?:?",
    r"at\b.{5,200}\byou wrote:",
    r"op\b.{5,400}\b(schreef|heeft)\b.{0,300}(geschreven)?:",
    r".{2,200}\bschreef( op| het volgende)?\b.{0,200}:",
    r"(am|on)\b.{5,400}\bschrieb\b.{0,300}:",
    r".{2,200}\bschrieb am\b.{2,200}:",
    r"le\b.{5,400}\ba \u00e9crit\s?:",
    r"(el|em|no dia)\b.{5,400}\b(escribi\u00f3|escreveu)\s?:",
    r"il\b.{5,400}\bha scritto:",
    r"(den|den \d|p\u00e5|on)\b.{5,400}\b(skrev|skrev f\u00f6ljande)\b.{0,300}:",
    r".{5,400}\b(napisa\u0142(\(a\)|a)?|\u043d\u0430\u043f\u0438\u0441\u0430\u043b(\(\u0430\))?)\s?:",
    # A bare date, a name and an address.
    r"\d{4}[-/]\d\d?[-/]\d\d?\b.{0,260}<[^<>]{3,200}>:?",
    rf".{{0,60}}{_TIME}.{{0,120}}<[^<>\s]+@[^<>\s]+>.{{0,60}}:",
    # A name, an address, and what they did.
    r"[^<>]{2,100}<[^<>\s]+@[^<>\s]+>\s+(wrote|schreef|schrieb|a \u00e9crit|escribi\u00f3|skrev|ha scritto)\b.{0,100}:",
)
INTRO = re.compile("|".join(f"(?:{one})" for one in _INTROS), re.IGNORECASE)
"""A whole sentence that says: here begin somebody else's words."""

INTRO_MARK = re.compile(r"[<@]|\d[:.]\d\d")
"""A program names an address or a time of day; a person who writes "on Monday he wrote:" mostly does not."""
INTRO_START = re.compile(
    r"\s*(on|at|op|am|le|el|em|no dia|il|den|p\u00e5|dnia|w dniu)\b|.*([<@]|\d[:.]\d\d)", re.IGNORECASE
)
"""How the first line of such a sentence begins; without it the line above, which is the writer's, would seem a part."""
INTRO_ENDS = (":", "-", ">")
MAX_INTRO_LINES = 4
MAX_INTRO = 500
"""Characters: nobody's sentence of this kind is longer, and looking for one costs time."""

_FORWARDED = (
    r"forwarded message|original message|begin forwarded message|doorgestuurd bericht|oorspronkelijk bericht"
    r"|origineel bericht|begin doorgestuurd bericht|weitergeleitete nachricht|urspr\u00fcngliche nachricht"
    r"|message transf\u00e9r\u00e9|message d'origine|mensaje (original|reenviado)|vidarebefordrat meddelande"
    r"|messaggio (originale|inoltrato)|mensagem (original|encaminhada)"
)
FORWARDED = re.compile(
    rf"[ >*]*(-{{2,}}\s*({_FORWARDED})\s*-*|({_FORWARDED}):|-{{2,}}\s*on\b.{{5,300}}\bwrote\s*-{{2,}})\s*",
    re.IGNORECASE,
)
"""A line above a mail that is sent on or given back whole."""

HEADER = re.compile(
    r"[ >]*\*{0,2}(?P<name>from|sent|to|cc|subject|date|reply-to"
    r"|van|verzonden|aan|onderwerp|datum|beantwoorden|antwoord aan"
    r"|von|gesendet|an|betreff|de|envoy\u00e9|\u00e0|objet|para|asunto|fecha|enviado( el)?"
    r"|da|risposta|data|a|oggetto|inviato|fr\u00e5n|skickat|till|\u00e4mne|fra|sendt|til|emne|od|do|temat)"
    r"\s?:\*{0,2}(\s|$)",
    re.IGNORECASE,
)
"""A line of the old mail's own headers, as Outlook writes them out above it."""

SENDERS = {"from", "van", "von", "de", "da", "fr\u00e5n", "fra", "od"}
MIN_HEADERS = 3

QUOTED = re.compile(r"\s*\w{0,2}[>|]")
BORDER = re.compile(r"\s*([-_=~*#+\u2014\u2013]\s?){2,}\s*|\s*[\u2014\u1427]\s*")
"""A line with nothing but a stroke."""

SIGNATURE = re.compile(r"\s*(--|\u2014|_{5,})\s*")
"""A stroke below which somebody signs (RFC 3676, 4.3: two hyphens)."""
MAX_SIGNATURE = 12
"""Lines: what is longer is no signature."""

DEVICE = re.compile(
    r"\W{0,3}(sent|send|verzonden|verstuurd|verzonden met|envoy\u00e9|enviado|inviato|sendt|skickat|wys\u0142ane"
    r"|gesendet|von meinem|diese nachricht wurde|get \[?outlook|download \[?outlook|outlook voor)\b.{0,120}"
    r"|.{0,20}\bfrom (my|mobile)\b.{0,30}|.{0,20}\u50b3\u9001",
    re.IGNORECASE,
)
"""What a telephone writes below every mail."""
