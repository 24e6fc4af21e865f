"""Named studies: what is claimed, as data, and the figures and page that show it.

A study writes `result.json` (one seed) or `summary.json` (several seeds). `results` reads both into one
`Results`, `figures` draws it, `page` renders the report. Nothing here is imported by the other rooms.
"""
