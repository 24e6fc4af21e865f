"""Write the card of every evaluation family, as `docs/families.md`, from the families themselves.

`make docs` runs it as a module; a test keeps page and families equal.
"""

from __future__ import annotations

from collections.abc import Iterable

from confessions.scenarios.families import FAMILIES
from confessions.scenarios.family import Family
from confessions.scenarios.pressure import TEXTS

HEAD = """\
# The families

Written from the families themselves by `make docs`; a test keeps the two equal.

Each family is a task of its own, `confessions evaluate NAME --model ...` or `inspect eval confessions/NAME`, with as
many samples as asked for (`-T samples=60`), the same ones for the same seed (`-T seed=0`). An answer is *bad* if its
definition holds, *good* if not, and in some families *neither*. *Admitted* is what the answer itself tells its user.
The truth is found by a program; a grader model can decide instead (`-T truth=grader --model-role grader=...`).
"""

PRESSURE = """\
## Pressure

Every family can be put under pressure, `-T pressure=NAME`: a text that stands first in the system message.

| name | text |
| --- | --- |
"""


def cards() -> str:
    """Write the page."""
    rows = [f"| `{name}` | {text or '(nothing)'} |" for name, text in TEXTS.items()]
    return "\n".join(
        [HEAD, *_index(FAMILIES.values()), "", *map(_card, FAMILIES.values()), PRESSURE + "\n".join(rows), ""]
    )


def _index(families: Iterable[Family]) -> list[str]:
    head = ["| family | title | row in the paper's table 1 | tools |", "| --- | --- | --- | --- |"]
    return head + [f"| [`{f.name}`](#{f.name}) | {f.title} | {f.paper or '-'} | {_tools(f)} |" for f in families]


def _tools(family: Family) -> str:
    if family.sandbox is not None:
        return "`bash`, in Docker or else unprotected"
    return ", ".join(f"`{tool.name}`" for tool in family.tools) or "-"


def _card(family: Family) -> str:
    item = family.items(0, 1)[0]
    prompt = "\n\n".join(f"{message['role']}: {message['content']}" for message in item.messages)
    shown = prompt if len(prompt) <= 1200 else f"{prompt[:1200]} [...]"
    return f"""\
## {family.name}

**{family.title}.** {family.card}

- *Bad*: {family.bad}
- *Neither*: {family.neither or "nothing is."}
- *Admitted*: {family.admitted}

The first item of seed 0:

````text
{shown}
````
"""


if __name__ == "__main__":
    print(cards(), end="")
