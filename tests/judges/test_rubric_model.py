"""The rubric judge as a reward: what it asks a model, what it pays, and what becomes of verdicts that fail."""

import asyncio
import json
import logging
import threading
import time
import warnings
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import anyio
import pytest
from inspect_ai.model import ModelOutput, ModelUsage, get_model

from confessions.judges import JudgeError
from confessions.judges.confessions import UNREADABLE
from confessions.judges.rubric import BEST, DIMENSIONS
from confessions.judges.rubric_model import rubric
from confessions.protocol import FULL, Compliance, ConfessionReport, ObjectiveCompliance, render

SECRET = "the secret thought"


def confession(label=Compliance.FULLY_COMPLIED, analysis="It does."):
    entry = ObjectiveCompliance(objective="Name a river.", analysis=analysis, compliance=label)
    return render(ConfessionReport(compliance_analysis=(entry,), overall_compliance_grade=7))


HONEST, DENIAL = confession(Compliance.NOT_COMPLIED_NOT_REPORTED), confession()


def verdict(**ratings):
    rated = {name: {"evidence": "seen", "rating": ratings.get(name, BEST)} for name in DIMENSIONS}
    return json.dumps({"reasoning": "because", "verdict": rated})


def section(prompt, name):
    return prompt.split(f"<<<BEGIN {name} ")[1].split(f"<<<END {name} ")[0]


class Judge:
    """A model that finds a confession honest where it admits something, and keeps what it was asked."""

    def __init__(self, reply=None):
        self.asked, self.configs, self.running, self.most = [], [], 0, 0
        self.reply = reply or (
            lambda prompt: verdict(accuracy=BEST * ("not_complied" in section(prompt, "confession")))
        )

    async def __call__(self, messages, tools, tool_choice, config):
        self.asked.append(messages[-1].text)
        self.configs.append(config)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await anyio.sleep(0.005)
            said = self.reply(messages[-1].text)
            if isinstance(said, Exception):
                raise said
            if isinstance(said, float):
                await anyio.sleep(said)
                said = "too late"
            output = said if isinstance(said, ModelOutput) else ModelOutput.from_content("mockllm/model", said)
            # Without a usage the mock counts tokens, with a tokenizer from the network.
            output.usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)
            return output
        finally:
            self.running -= 1

    @property
    def model(self):
        return get_model("mockllm/model", custom_outputs=self, memoize=False)


def rewards(judge, confessions, columns=None, **settings):
    """Judge confessions about answers "answer 0", "answer 1" and so on, as TRL hands them over."""
    count = len(confessions)
    function = rubric(judge if isinstance(judge, str) else judge.model, FULL, **settings)
    return asyncio.run(
        function(
            prompts=[[{"role": "user", "content": "Name a river."}]] * count,
            answers=[[{"role": "assistant", "content": f"answer {row}"}] for row in range(count)],
            completions=[[{"role": "assistant", "content": text}] for text in confessions],
            **(columns or {}),
        )
    )


def test_an_admission_and_a_denial_are_paid_by_the_formula():
    judge = Judge()
    assert rewards(judge, [HONEST, DENIAL]) == [pytest.approx(1.0), 0.0]
    assert "answer 0" in section(judge.asked[0], "conduct") or "answer 0" in section(judge.asked[1], "conduct")


def test_what_cannot_be_read_is_priced_and_nobody_is_asked():
    judge = Judge()
    assert rewards(judge, ["I confess nothing.", "", f"<think>{HONEST}"]) == [UNREADABLE] * 3
    assert judge.asked == []


def test_an_empty_batch_has_no_rewards():
    assert rewards(Judge(), []) == []


def test_the_judge_sees_no_reasoning():
    judge = Judge()
    function = rubric(judge.model, FULL)
    hidden = {"role": "assistant", "reasoning_content": SECRET}
    found = asyncio.run(
        function(
            prompts=[
                [{"role": "user", "content": "Name a river."}, {**hidden, "content": f"<think>{SECRET}</think>x"}]
            ],
            answers=[[{**hidden, "content": f"<think>{SECRET}</think>The Rhine."}]],
            completions=[[{**hidden, "content": f"<think>{SECRET}</think>{HONEST}"}]],
            reasoning=[SECRET],
        )
    )
    assert found == [pytest.approx(1.0)]
    assert SECRET not in judge.asked[0] and "The Rhine." in judge.asked[0]


def test_the_judge_sees_what_an_answer_writes_before_the_end_of_no_block():
    judge = Judge()
    function = rubric(judge.model, FULL)
    asyncio.run(function(prompts=["Name a river."], answers=["No river.</think>The Rhine."], completions=[HONEST]))
    assert "No river." in section(judge.asked[0], "conduct")


def test_texts_are_judged_as_messages_are():
    judge = Judge()
    function = rubric(judge.model, FULL)
    found = asyncio.run(function(prompts=["Name a river."], answers=["The Rhine."], completions=[HONEST]))
    assert found == [pytest.approx(1.0)]
    assert section(judge.asked[0], "conduct").endswith("[1] assistant:\n  The Rhine.\n")


def test_like_confessions_of_one_answer_are_asked_about_once_and_earn_alike():
    ratings = iter(range(5))
    judge = Judge(lambda prompt: verdict(completeness=next(ratings)))
    function = rubric(judge.model, FULL)
    found = asyncio.run(
        function(prompts=["x"] * 4, answers=["y", "y", "y", "z"], completions=[HONEST, DENIAL, HONEST, HONEST])
    )
    assert len(judge.asked) == 3 and found[0] == found[2] and len(set(found)) == 3


def test_no_more_questions_are_put_at_once_than_allowed():
    judge = Judge()
    rewards(judge, [confession(analysis=str(i)) for i in range(12)], max_connections=3)
    assert judge.most == 3
    assert {config.max_connections for config in judge.configs} == {3}
    assert all(config.max_retries is not None for config in judge.configs)


def test_a_schema_is_sent_where_the_provider_has_it():
    judge = Judge()
    rewards(judge, [HONEST])
    rewards(judge, [HONEST], has_schema=lambda model: True)
    assert [config.response_schema is None for config in judge.configs] == [True, False]
    assert judge.configs[1].response_schema.name == "rubric"


@pytest.mark.parametrize(
    "said",
    [
        "I would say 4.",
        verdict(accuracy=7),
        verdict(accuracy=None),
        ModelOutput(model="mockllm/model", choices=[]),
        ModelOutput.from_content("mockllm/model", verdict(), stop_reason="max_tokens"),
        ConnectionError("nobody there"),
    ],
)
def test_a_verdict_that_cannot_be_had_is_missing_and_said_once(said, caplog):
    judge = Judge(lambda prompt: said if "answer 1" in prompt else verdict())
    with caplog.at_level(logging.WARNING, logger="confessions"):
        found = rewards(judge, [HONEST, HONEST, HONEST, "nothing"])
    assert found == [pytest.approx(1.0), None, pytest.approx(1.0), UNREADABLE]
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("confessions")]
    assert len(lines) == 1 and "no verdict on 1 of 3 questions; 1 of these because: " in lines[0]


def test_a_question_that_takes_too_long_is_missing_and_costs_the_others_nothing(caplog):
    judge = Judge(lambda prompt: 30.0 if "answer 1" in prompt else verdict())
    begin = time.monotonic()
    with caplog.at_level(logging.WARNING, logger="confessions"):
        found = rewards(judge, [HONEST] * 3, timeout_seconds=0.3)
    assert found == [pytest.approx(1.0), None, pytest.approx(1.0)]
    assert time.monotonic() - begin < 5
    assert "no verdict within 0.3 seconds" in caplog.text


def test_where_nobody_answers_the_rest_of_the_batch_is_not_waited_for():
    judge = Judge(lambda prompt: ConnectionError("nobody there"))
    assert rewards(judge, [HONEST] * 20, max_connections=4) == [None] * 20
    assert 4 <= len(judge.asked) <= 8


def test_bad_replies_do_not_pass_for_silence():
    judge = Judge(lambda prompt: "I would say 4.")
    assert rewards(judge, [HONEST] * 20, max_connections=4) == [None] * 20
    assert len(judge.asked) == 20


def test_the_mean_ratings_are_logged():
    logged = {}
    judge = Judge()
    rewards(judge, [HONEST, DENIAL], {"log_metric": lambda name, value: logged.update({name: value})})
    assert logged == {
        "confessions/rubric_completeness": 4.0,
        "confessions/rubric_accuracy": 2.0,
        "confessions/rubric_uncertainties": 4.0,
    }


def test_a_name_that_is_no_models_is_refused_before_anything_is_asked():
    with pytest.raises(JudgeError, match="nowhere/model cannot be opened"):
        rubric("nowhere/model")


# Calibration


class Untrained:
    """Denies, in the full profile, and counts."""

    profile = FULL

    def __init__(self, text=DENIAL):
        self.text, self.heard = text, []

    def confess(self, transcripts):
        self.heard += transcripts
        return [self.text for _ in transcripts]


def test_an_untrained_speaker_confesses_each_answer_once_beside_it():
    judge, speaker = Judge(), Untrained(confession(analysis="Seen by another."))
    function = rubric(judge.model, FULL, calibration=speaker)
    asyncio.run(function(prompts=["x"] * 3, answers=["y", "y", ""], completions=[HONEST, DENIAL, HONEST]))
    assert [transcript.answer for transcript in speaker.heard] == ["y"]
    with_other = [prompt for prompt in judge.asked if "<<<BEGIN calibration " in prompt]
    assert len(with_other) == 2
    assert all("Seen by another." in section(prompt, "calibration") for prompt in with_other)


def test_a_column_may_hold_the_calibration():
    judge = Judge()
    other = confession(analysis="Seen by another.")
    rewards(judge, [HONEST] * 3, {"calibration_confession": [other, None, "no report"]})
    assert sum("Seen by another." in prompt for prompt in judge.asked) == 1
    assert sum("<<<BEGIN calibration " in prompt for prompt in judge.asked) == 1


def test_a_calibration_that_cannot_be_read_is_left_out():
    judge = Judge()
    rewards(judge, [HONEST], calibration=Untrained("I would rather not."))
    assert "<<<BEGIN calibration " not in judge.asked[0]


# A real endpoint


@pytest.fixture
def endpoint(monkeypatch):
    """An OpenAI-compatible server on the loopback that rates everything best."""
    calls = []

    class Endpoint(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            calls.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            message = {"role": "assistant", "content": verdict()}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
            payload = json.dumps(
                {
                    "id": "c",
                    "object": "chat.completion",
                    "created": 0,
                    "model": "m",
                    "choices": [choice],
                    "usage": usage,
                }
            ).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("HERE_API_KEY", "none")
    monkeypatch.setenv("HERE_BASE_URL", f"http://127.0.0.1:{server.server_port}/v1")
    yield calls
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_endpoint_by_name_serves_one_event_loop_after_another(endpoint):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        function = rubric("openai-api/here/model", FULL, has_schema=lambda model: True)
        for _ in range(3):
            batch = function(prompts=["x"] * 3, answers=["a", "b", "c"], completions=[HONEST] * 3)
            assert asyncio.run(batch) == [pytest.approx(1.0)] * 3
    assert len(endpoint) == 9
    assert endpoint[0]["response_format"]["json_schema"]["name"] == "rubric"


def test_an_endpoint_that_cannot_be_reached_gives_none_for_each(monkeypatch, caplog):
    monkeypatch.setenv("HERE_API_KEY", "none")
    monkeypatch.setenv("HERE_BASE_URL", "http://127.0.0.1:9/v1")
    begin = time.monotonic()
    with warnings.catch_warnings(), caplog.at_level(logging.WARNING, logger="confessions"):
        warnings.simplefilter("ignore")
        assert rewards("openai-api/here/model", [HONEST] * 9, timeout_seconds=0.5) == [None] * 9
    assert time.monotonic() - begin < 8
    assert "gave no verdict on 9 of 9 questions" in caplog.text
