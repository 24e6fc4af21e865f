"""Give a pretrained model the report's form, and no more, before it is trained.

Its conversations are those of the embedded default's pre-training that end in a confession: the verdicts are drawn at
random, so what is learnt is how a report is written, not the habit of writing a true one.
"""
