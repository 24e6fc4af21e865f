import errno
import json

import pytest
import torch

from confessions.models import warm_start as teaching
from confessions.models.chat import ChatTemplateError, prompt_ids
from confessions.models.resolve import load, resolve
from confessions.models.sampling import sample
from confessions.models.warm_start import WarmStartConfig, encode_lesson, warm_start
from confessions.models.weights import ModelError


def lesson(question, answer, is_learnt=True):
    return [
        {"role": "user", "content": question},
        {"role": "assistant", "content": answer, "is_learnt": is_learnt},
        {"role": "system", "content": "Confess."},
        {"role": "assistant", "content": '{"grade":3}'},
    ]


LESSONS = [lesson(f"Question {index % 5}?", "ok " * (index % 3), is_learnt=index % 2 == 0) for index in range(200)]
QUICK = WarmStartConfig(steps=6, lessons_per_step=4, learning_rate=1e-2, lora_rank=4, save_every=2)


@pytest.fixture
def base(tiny_folder):
    return lambda: load(resolve(str(tiny_folder)))


def test_the_learnt_turns_and_their_ends_are_learnt_and_nothing_else(make_tokenizer):
    tokenizer = make_tokenizer()
    for is_learnt, expected in [(True, "Hi.<|im_end|>{}<|im_end|>"), (False, "{}<|im_end|>")]:
        turns = [*lesson("Q?", "Hi.", is_learnt)[:-1], {"role": "assistant", "content": "{}"}]
        encoded = encode_lesson(turns, tokenizer)
        learnt = [token for token, own in zip(encoded.ids, encoded.is_learnt, strict=True) if own]
        assert tokenizer.decode(learnt) == expected
        whole = tokenizer.apply_chat_template(
            [{"role": turn["role"], "content": turn["content"]} for turn in turns], tokenize=False
        )
        assert tokenizer.decode(encoded.ids) + "\n" == whole


def test_a_lesson_begins_with_the_prompt_as_the_model_will_read_it(make_tokenizer):
    tokenizer = make_tokenizer()
    encoded = encode_lesson(lesson("Q?", "Hi."), tokenizer)
    prompt = prompt_ids(tokenizer, [{"role": "user", "content": "Q?"}])
    assert encoded.ids[: len(prompt)] == prompt
    assert encoded.is_learnt.index(True) == len(prompt)


def test_templates_that_cannot_serve_are_refused(make_tokenizer):
    with pytest.raises(ChatTemplateError, match="no chat template"):
        encode_lesson(lesson("Q?", "Hi."), make_tokenizer(None))
    counting = "{{ messages | length }}{% for m in messages %}{{ m['content'] }}<|im_end|>{% endfor %}"
    with pytest.raises(ChatTemplateError, match="rewrites earlier turns"):
        encode_lesson(lesson("Q?", "Hi."), make_tokenizer(counting))


def test_the_loss_is_that_of_the_learnt_tokens_under_the_whole_model(base):
    loaded = base()
    encoded = [encode_lesson(one, loaded.tokenizer) for one in LESSONS[:3]]
    model = teaching._with_adapter(loaded, QUICK)
    total = teaching._summed_loss(model, encoded, pad_id=0)
    expected = 0.0
    for one in encoded:
        with torch.no_grad():
            logits = model(torch.tensor([one.ids])).logits[0, :-1].log_softmax(-1)
        for position, token in enumerate(one.ids[1:]):
            if one.is_learnt[position + 1]:
                expected -= float(logits[position, token])
    assert float(total.detach()) == pytest.approx(expected, rel=1e-5)


def test_the_form_is_learnt_and_saved_merged(base, tmp_path):
    loaded = base()
    steps = []
    config = WarmStartConfig(steps=60, lessons_per_step=3, learning_rate=3e-2, lora_rank=8)
    out = warm_start(loaded, LESSONS, tmp_path / "out", config, lambda *step: steps.append(step))
    assert [step[:2] for step in steps] == [(step, 60) for step in range(1, 61)]
    record = json.loads((out / "warm_start.json").read_text())
    assert record["losses"][-1] < 0.5 * record["losses"][0]
    assert record["passed_over"] == 0
    taught = load(resolve(str(out)))
    context = prompt_ids(taught.tokenizer, LESSONS[1][:1] + [{"role": "assistant", "content": "ok "}, LESSONS[1][2]])
    said = sample(taught.model, taught.tokenizer, [context], max_new_tokens=20, temperature=0)[0]
    assert taught.tokenizer.decode(said) == '{"grade":3}<|im_end|>'
    assert not (tmp_path / "out.unfinished.pt").exists()


def test_an_interrupted_run_resumes_to_the_same_weights(base, tmp_path):
    whole = load(resolve(str(warm_start(base(), LESSONS, tmp_path / "whole", QUICK))))

    def interrupt(step, steps, loss):
        if step == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        warm_start(base(), LESSONS, tmp_path / "parts", QUICK, interrupt)
    assert not (tmp_path / "parts").exists()
    steps = []
    out = warm_start(base(), LESSONS, tmp_path / "parts", QUICK, lambda *step: steps.append(step[0]))
    assert steps == [5, 6]
    for first, second in zip(whole.model.parameters(), load(resolve(str(out))).model.parameters(), strict=True):
        assert torch.equal(first, second)
    assert (out / "warm_start.json").read_text() == (tmp_path / "whole" / "warm_start.json").read_text()


def test_the_seed_decides_the_weights(base, tmp_path):
    short = WarmStartConfig(steps=2, lessons_per_step=2)
    first = resolve(str(warm_start(base(), LESSONS, tmp_path / "first", short)))
    again = resolve(str(warm_start(base(), LESSONS, tmp_path / "again", short)))
    other = resolve(str(warm_start(base(), LESSONS, tmp_path / "other", WarmStartConfig(2, 2, seed=1))))
    assert first.sha256 == again.sha256 != other.sha256


def test_a_finished_run_is_returned_and_another_is_not_overwritten(base, tmp_path):
    short = WarmStartConfig(steps=1, lessons_per_step=2)
    out = warm_start(base(), LESSONS, tmp_path / "out", short)
    assert warm_start(base(), [], out, short) == out
    with pytest.raises(ModelError, match="holds a warm start with other settings"):
        warm_start(base(), LESSONS, out, QUICK)
    (tmp_path / "else").mkdir()
    with pytest.raises(ModelError, match="exists and is no warm start"):
        warm_start(base(), LESSONS, tmp_path / "else", short)


def test_lessons_too_long_are_passed_over_and_counted(base, tmp_path):
    lessons = [lesson("Long? " * 200, "ok"), *LESSONS[:4]]
    out = warm_start(base(), lessons, tmp_path / "out", WarmStartConfig(steps=2, lessons_per_step=2))
    assert json.loads((out / "warm_start.json").read_text())["passed_over"] == 1


def test_too_few_lessons_are_an_error(base, tmp_path):
    with pytest.raises(ModelError, match="lessons ran out: 4 were asked for, 3 were left"):
        warm_start(base(), LESSONS[:3], tmp_path / "out", QUICK)


def test_a_loss_that_is_no_number_stops_the_run(base, tmp_path):
    loaded = base()
    with torch.no_grad():
        loaded.model.model.norm.weight.fill_(torch.nan)
    with pytest.raises(ModelError, match="the loss is nan"):
        warm_start(loaded, LESSONS, tmp_path / "out", QUICK)
    assert not (tmp_path / "out").exists()


def test_a_disk_that_fills_keeps_the_last_checkpoint(base, tmp_path, monkeypatch):
    keep = torch.save

    def fail(state, path):
        if state["step"] == 4:
            path.write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")
        keep(state, path)

    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(ModelError, match="the disk is full"):
        warm_start(base(), LESSONS, tmp_path / "out", QUICK)
    monkeypatch.setattr(torch, "save", keep)
    assert not (tmp_path / "out.unfinished.partial").exists()
    steps = []
    warm_start(base(), LESSONS, tmp_path / "out", QUICK, lambda *step: steps.append(step[0]))
    assert steps[0] == 3
