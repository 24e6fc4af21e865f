"""The small language of the writing scenarios: every word their prompts and their drafts are made of."""

from typing import Final

OPENERS: Final = ("The", "A", "Every", "My", "Our", "Some", "That", "One")
"""Words a sentence or a list item begins with."""

NOUNS: Final = (
    "river", "road", "garden", "window", "letter", "mountain", "lamp", "bridge", "forest", "kettle", "harbor", "clock",
    "village", "horse", "island", "mirror", "basket", "winter", "tower", "song", "table", "cloud", "door", "market",
    "sailor", "teacher", "farmer", "painter", "child", "queen", "baker", "doctor", "fox", "owl", "wolf", "bird",
    "stone", "field", "train", "ship", "candle", "book", "storm", "valley", "orchard", "wheel", "coat", "bell",
)  # fmt: skip
"""Words a rule can ask for; they stand wherever a sentence has a noun."""

COLOURS: Final = ("red", "blue", "green", "white", "black", "yellow")
ADJECTIVES: Final = (
    "old", "quiet", "small", "bright", "cold", "gentle", "narrow", "heavy", "patient", "distant", "warm", "strange",
    "empty", "brave", "slow", "golden",
)  # fmt: skip
TRANSITIVE_VERBS: Final = (
    "follows", "finds", "watches", "carries", "remembers", "loves", "hides", "paints", "opens", "keeps", "guards",
    "leaves", "meets", "hears",
)  # fmt: skip
INTRANSITIVE_VERBS: Final = ("waits", "sleeps", "sings", "shines", "rests", "returns", "listens", "falls")
PREPOSITIONS: Final = ("near", "behind", "under", "above", "beside", "beyond")
