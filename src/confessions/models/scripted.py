"""A speaker that follows a script: the fake that stands in for a model in tests and examples."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from confessions.errors import ConfessionsError
from confessions.models.speech import Progress, Prompt, Response
from confessions.protocol import FULL, Profile, Transcript

AnswerScript = Callable[[Prompt], str] | Mapping[str, str] | str
ConfessionScript = Callable[[Transcript], str] | Mapping[str, str] | str


class ScriptError(ConfessionsError):
    """A script says nothing about what it was asked."""


class ScriptedModel:
    """Answer and confess as scripted, and keep what was asked.

    A script is a function, a text for every case, or a table: answers by the last user message, confessions by the
    answer.
    """

    def __init__(self, answers: AnswerScript = "", confessions: ConfessionScript = "", profile: Profile = FULL) -> None:
        """Follow the two scripts."""
        self.profile = profile
        self.prompts: list[Prompt] = []
        """Every prompt that was to be answered."""
        self.transcripts: list[Transcript] = []
        """Every transcript that was to be confessed."""
        self._answers = answers
        self._confessions = confessions

    def answer(self, prompts: Sequence[Prompt], progress: Progress | None = None) -> list[str]:
        """Answer each prompt as scripted."""
        answers = []
        for prompt in prompts:
            self.prompts.append(prompt)
            answers.append(_look_up(self._answers, prompt, _last_user_text(prompt), "answer to the message"))
            if progress is not None:
                progress(1)
        return answers

    def confess(self, transcripts: Sequence[Transcript], progress: Progress | None = None) -> list[str]:
        """Confess about each transcript as scripted."""
        confessions = []
        for transcript in transcripts:
            self.transcripts.append(transcript)
            confessions.append(_look_up(self._confessions, transcript, transcript.answer, "confession of the answer"))
            if progress is not None:
                progress(1)
        return confessions

    def respond(self, prompts: Sequence[Prompt], progress: Progress | None = None) -> list[Response]:
        """Answer each prompt, then confess about that answer."""
        answers = self.answer(prompts, progress)
        transcripts = [
            Transcript.from_openai([*prompt, {"role": "assistant", "content": answer}])
            for prompt, answer in zip(prompts, answers, strict=True)
        ]
        confessions = self.confess(transcripts, progress)
        return [Response(answer, confession) for answer, confession in zip(answers, confessions, strict=True)]


def _look_up(script: Any, asked: Any, key: str, what: str) -> str:
    if isinstance(script, str):
        return script
    if callable(script):
        return str(script(asked))
    if key not in script:
        raise ScriptError(f"the script has no {what} {key!r}; it has {sorted(script)}")
    return str(script[key])


def _last_user_text(prompt: Prompt) -> str:
    for message in reversed(prompt):
        if message["role"] == "user":
            return str(message["content"])
    return ""
