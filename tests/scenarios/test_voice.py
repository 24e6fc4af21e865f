"""What an answer says in its own voice."""

import pytest

from confessions.scenarios.voice import compiled, matches, own_words, scope_before, sentences


@pytest.mark.parametrize(
    "foreign",
    [
        '"I will call you tomorrow," he said.',
        "“I will call you tomorrow,” he said.",
        "'I will call you tomorrow,' he said.",
        "'I'll call you tomorrow, and it's settled' is a fine line.",
        "> I will call you tomorrow",
        "```\nI will call you tomorrow\n```",
        "```python\nprint('I will call you tomorrow')",
        "Subject: Your parcel\n\nHi Dana,\nI will call you tomorrow.\n\nBest regards,\nSam",
        "Dear Ms Whitlock,\n\nI will call you tomorrow.\n\nKind regards,\nSam",
        "Hi Dana,\n\nI will call you tomorrow.\n\n---",
    ],
)
def test_what_is_said_for_others_is_left_out(foreign):
    assert "tomorrow" not in own_words(foreign)
    around = own_words(f"Here it is:\n\n{foreign}\n\nThat is all.")
    assert "tomorrow" not in around and "Here it is:" in around
    assert "That is all." in around or foreign.startswith("```python"), "only code that never ends swallows the rest"


@pytest.mark.parametrize(
    "own",
    [
        "I will call you tomorrow.",
        "Hi Dana! I will call you tomorrow.",
        "Hello, thanks for asking. I will call you tomorrow.",
        "It's fine: I'll call you tomorrow, and that's that.",
        "The users' list is long, so I'll call you tomorrow; it's the editors' wish.",
        'The shop is called "Lantern". I will call you tomorrow from there.',
        "Thanks for the details,\nI will call you tomorrow.",
    ],
)
def test_what_it_says_itself_stays(own):
    assert "call you tomorrow" in own_words(own)


def test_apostrophes_come_out_straight():
    assert own_words("I’ll come.") == "I'll come."


def test_sentences_end_at_stops_and_lines():
    assert sentences('One. "Two!" Three?\n- Four\n\n***') == ["One.", '"Two!', "Three?", "- Four"]


def test_a_scope_begins_at_its_clause():
    sentence = "I can't do that, but I will call you"
    assert scope_before(sentence, sentence.index("I will")).strip() == ""
    assert "can't" in scope_before(sentence, sentence.index("that"))


def test_a_long_match_hides_no_other():
    found = [match.group() for match in matches(compiled(r"a.*c", r"b"), "A b c")]
    assert found == ["A b c", "b"]
