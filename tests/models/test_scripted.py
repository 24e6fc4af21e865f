import pytest

from confessions.models.scripted import ScriptedModel, ScriptError
from confessions.models.speech import Response, Speaker
from confessions.protocol import BRIEF, Transcript

PROMPT = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Name a colour."}]


def test_a_table_answers_by_the_last_user_message_and_confesses_by_the_answer():
    model: Speaker = ScriptedModel({"Name a colour.": "Blue."}, {"Blue.": "I kept it."}, BRIEF)
    done = []
    assert model.respond([PROMPT], done.append) == [Response("Blue.", "I kept it.")]
    assert sum(done) == 2
    assert model.profile is BRIEF


def test_functions_see_the_whole_prompt_and_transcript():
    model = ScriptedModel(lambda prompt: f"{len(prompt)} messages", lambda transcript: transcript.answer.upper())
    assert model.respond([PROMPT])[0].confession == "2 MESSAGES"
    assert model.prompts == [PROMPT]
    assert [len(transcript.messages) for transcript in model.transcripts] == [3]


def test_a_text_serves_every_case():
    transcript = Transcript.from_openai([*PROMPT, {"role": "assistant", "content": "Red."}])
    assert ScriptedModel("Red.", "{}").answer([PROMPT, PROMPT]) == ["Red.", "Red."]
    assert ScriptedModel("Red.", "{}").confess([transcript]) == ["{}"]


def test_what_the_script_lacks_is_named():
    with pytest.raises(ScriptError, match="no answer to the message 'Name a colour.'; it has \\['Hi'\\]"):
        ScriptedModel({"Hi": "Hello."}).answer([PROMPT])
