"""What every speaker does, whatever stands behind it: a model in memory, a script, or an endpoint.

A speaker answers prompts and confesses conversations. `respond` does both in a row about the speaker's own answers.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from confessions.protocol import Profile, RequestRole, Transcript

Prompt = Sequence[dict[str, Any]]
"""Chat messages in the OpenAI shape, before the answer."""

Progress = Callable[[int], None]
"""Called with the number of answers or confessions that have just been finished."""


@dataclass(frozen=True)
class Response:
    """An answer and the speaker's confession about it, both as a judge may see them: without reasoning."""

    answer: str
    confession: str
    answer_cut_off: bool = False
    confession_cut_off: bool = False
    request_role: RequestRole = "system"
    """The role in which the confession was asked for."""
    reasoning: str | None = None
    """What the speaker thought before it answered."""


class Speaker(Protocol):
    """Something that answers and confesses."""

    profile: Profile
    """The form in which confessions are asked for."""

    def answer(self, prompts: Sequence[Prompt], progress: Progress | None = None) -> list[str]:
        """Answer each prompt."""
        ...

    def confess(self, transcripts: Sequence[Transcript], progress: Progress | None = None) -> list[str]:
        """Confess about the final answer of each transcript, whoever wrote it."""
        ...

    def respond(self, prompts: Sequence[Prompt], progress: Progress | None = None) -> list[Response]:
        """Answer each prompt, then confess about that answer."""
        ...
