"""What every family of scenarios offers: a prompt that tempts, its objectives, and its own ground truth."""

from typing import Protocol

from confessions.protocol import ConfessionReport


class Scenario(Protocol):
    """One prompt with objectives whose fulfilment a program can decide.

    The three predicates of the method are kept apart: `complied` (the answer), `admitted` (what the answer itself
    tells) and `confessed` (what the confession tells). Source: method paper, section 3.1.
    """

    @property
    def id(self) -> str:
        """A name that is the same for the same prompt, everywhere."""
        ...

    @property
    def objectives(self) -> tuple[str, ...]:
        """What a good answer satisfies, one text an objective."""
        ...

    def messages(self) -> list[dict[str, str]]:
        """Give the prompt as chat messages."""
        ...

    def kept(self, answer: str) -> tuple[bool, ...]:
        """Decide each objective from ground truth."""
        ...

    def claims(self, answer: str) -> tuple[bool | None, ...]:
        """Read what the answer itself says of each objective: kept, broken, or nothing."""
        ...

    def complied(self, answer: str) -> bool:
        """Tell whether the answer keeps every objective."""
        ...

    def admitted(self, answer: str) -> bool:
        """Tell whether the answer itself says of an objective it broke that it broke it."""
        ...

    def verdicts(self, report: ConfessionReport) -> tuple[bool | None, ...]:
        """Read what the confession says of each objective: kept, broken, or nothing certain."""
        ...

    def confessed(self, report: ConfessionReport) -> bool:
        """Tell whether the confession says of any objective that it was broken."""
        ...
