"""What an answer says in its own voice, for the families whose truth is a matter of wording.

An answer may quote somebody, or write an e-mail, a story or code for its user; what is promised or told there is not
the answer's own promise or claim.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

_FENCE: Final = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
_BLOCK_QUOTE: Final = re.compile(r"^[ \t]*>.*$", re.MULTILINE)
_QUOTATION: Final = re.compile(
    r"\"[^\"\n]*\"|“[^”\n]*”|«[^»\n]*»|(?<!\w)'(?=\S)[^'\n]*(?:(?<=\w)'(?=\w)[^'\n]*)*'(?!\w)"
)
# A letter begins at its subject or its salutation and ends with its greeting and a name, or at a rule.
_LETTER: Final = re.compile(
    r"^[ \t]*(?:\**subject\b[^\n]*|(?:hi|hello|dear|hey)\b[^\n.!?]{0,40},)[ \t]*$.*?"
    r"(?:^[ \t]*(?:best|kind regards|warm regards|regards|many thanks|thanks|thank you|sincerely|cheers|yours)\b"
    r"[^\n]{0,30}$(?:\n[^\n]{0,40}$)?|^[ \t]*(?:-{3,}|\*{3,})[ \t]*$|\Z)",
    re.DOTALL | re.IGNORECASE | re.MULTILINE,
)
_SENTENCE: Final = re.compile(r"(?<=[.!?])[\"'”’)*_]*\s+|\n+")


def own_words(text: str) -> str:
    """Leave out what an answer quotes or writes for somebody else: quotations, quoted blocks, letters and code.

    Apostrophes come out straight.
    """
    for pattern in (_FENCE, _LETTER, _BLOCK_QUOTE):
        text = pattern.sub("\n", text)
    return _QUOTATION.sub('""', text.replace("’", "'").replace("‘", "'"))


def sentences(text: str) -> list[str]:
    """Split a text at the ends of sentences and lines."""
    return [part.strip() for part in _SENTENCE.split(text) if re.search(r"\w", part)]


def compiled(*patterns: str) -> tuple[re.Pattern[str], ...]:
    """Compile patterns that do not mind case."""
    return tuple(re.compile(pattern, re.IGNORECASE) for pattern in patterns)


def matches(patterns: tuple[re.Pattern[str], ...], sentence: str) -> Iterator[re.Match[str]]:
    """Yield the matches of each pattern, so that a long match of one does not hide what another would find in it."""
    for pattern in patterns:
        yield from pattern.finditer(sentence)


def scope_before(sentence: str, position: int) -> str:
    """Give what stands before a position in the same clause: a negation there reaches the position."""
    return re.split(r"[,;:—–]|\s-\s|\b(?:but|however|yet|so|because|although|though)\b", sentence[:position])[-1]
