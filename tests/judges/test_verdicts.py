"""What several processes' judges know together."""

from confessions.judges import BaseRates
from confessions.judges.answers import as_shown
from confessions.judges.verdicts import UNKNOWN_RATE


def test_judges_of_several_processes_go_on_from_their_mean():
    rates = BaseRates({"capitals": 0.2})
    states = [{"capitals": 0.2, "use_word": 0.5}, {"capitals": 0.6}]
    rates.merge(states)
    assert rates.state_dict() == {"capitals": 0.4, "use_word": (0.5 + UNKNOWN_RATE) / 2}
    again = BaseRates()
    again.merge(states[::-1])
    assert again.state_dict() == rates.state_dict()


def test_an_answers_judge_does_not_see_its_reasoning():
    def length(completions, **columns):
        return [float(len(answer[0]["content"])) for answer in completions]

    answers = [
        [{"role": "assistant", "content": text}] for text in ("<think>\nhm\n</think>\n\nRed", "hm</think>Red", "Red")
    ]
    assert as_shown(length)(completions=answers, prompts=[]) == [3, 13, 3]
    assert as_shown(length, is_opened=True)(completions=answers, prompts=[]) == [3, 3, 0]
    assert as_shown(length).__name__ == "length"
