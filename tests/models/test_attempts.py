import pytest
from transformers import PreTrainedTokenizerFast

from confessions.models.attempts import PromptReader
from confessions.models.resolve import EMBEDDED_FOLDER
from confessions.protocol import REQUEST_BRIEF, REQUEST_FULL

KNOWN = "Write about the river.\nUse the word garden. "


@pytest.fixture(scope="module")
def embedded():
    return PreTrainedTokenizerFast.from_pretrained(EMBEDDED_FOLDER)


def test_the_embedded_tokenizer_reads_its_own_language_and_no_other(embedded):
    reader = PromptReader(embedded, None)
    assert reader.read(KNOWN).obstacle is None
    assert reader.read(REQUEST_BRIEF).obstacle is None
    obstacle = reader.read("Please write a poem about tea.").obstacle
    assert obstacle == (
        '5 of the prompt\'s 5 words are unknown to the model\'s tokenizer, such as "Please", "write", "poem"'
    )
    assert "words are unknown" in reader.read(REQUEST_FULL).obstacle


def test_one_word_in_twenty_may_be_unknown(embedded):
    reader = PromptReader(embedded, None)
    rest = " the garden" * 9 + " the"
    assert reader.read("xylophone" + rest).obstacle is None
    assert reader.read("xylophone zeppelin" + rest).obstacle is not None


def test_a_tokenizer_that_spells_everything_has_learnt_to(make_tokenizer):
    reader = PromptReader(make_tokenizer(), None)
    assert reader.read("Please write a poem about tea.").obstacle is None


def test_a_word_with_the_unknown_token_is_unknown():
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = Tokenizer(models.WordLevel({"[UNK]": 0, "write": 1, "the": 2, "poem": 3}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    reader = PromptReader(PreTrainedTokenizerFast(tokenizer_object=words, unk_token="[UNK]"), None)
    assert reader.read("write the poem").obstacle is None
    assert "1 of the prompt's 3 words" in reader.read("write the sonnet").obstacle


def test_letters_of_a_script_without_capitals_may_be_words(embedded):
    assert PromptReader(embedded, None).read(KNOWN + "花園の中に").obstacle is None


def test_a_prompt_has_to_leave_room_for_an_answer(make_tokenizer):
    text = "x" * 84
    assert PromptReader(make_tokenizer(), 100).read(text).obstacle is None
    obstacle = PromptReader(make_tokenizer(), 99).read(text).obstacle
    assert obstacle == "the prompt has 84 tokens and the model's context 99, of which its text needs at least 16"
