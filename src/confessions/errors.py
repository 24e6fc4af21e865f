"""The base of every error that is the user's to mend.

The command line prints such an error's message and exits with its code; any other exception is a fault of this package.
Rooms define their own subclasses beside the code that raises them.
"""

from typing import ClassVar


class ConfessionsError(Exception):
    """Say what was wrong with an input and what would be right."""

    exit_code: ClassVar[int] = 2
    """What the command line exits with."""
