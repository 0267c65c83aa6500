"""The same message gets the same answer from every process: who takes over a batch must not judge it otherwise."""

import os
import subprocess
import sys

_JUDGE = """
from hashlib import sha256
from services.classification.classify import Message, classify
from services.classification.reading import default_taxonomy
taxonomy = default_taxonomy()
words = sorted({part.strip() for stem in taxonomy.lexicon.stems for part in stem.parts})
apart = [f"{word[:half]} {word[half:]}" for word in words for half in [len(word) // 2] if half]
texts = [*words, *apart, *(example for topic in taxonomy.topics for example in topic.examples)]
print(sha256("".join(repr(classify(Message(text), None, taxonomy)) for text in texts).encode()).hexdigest())
"""


def test_another_process_gives_the_same_answers() -> None:
    assert _judged_by("1") == _judged_by("2")


def _judged_by(seed: str) -> str:
    values = os.environ | {"PYTHONHASHSEED": seed}
    return subprocess.run([sys.executable, "-c", _JUDGE], env=values, check=True, capture_output=True, text=True).stdout
