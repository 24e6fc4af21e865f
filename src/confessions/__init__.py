"""Train language models to confess: to say, when asked, which instructions their own answer broke.

Each folder is one room; imports point one way:
`protocol <- scenarios <- judges, models <- training | evaluation <- experiments <- cli`.
"""

__version__ = "0.1.0"
