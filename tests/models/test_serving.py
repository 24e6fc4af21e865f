import json
from collections import Counter

import pytest
import torch

from confessions.models import sampling, serving
from confessions.models.serving import Server, ServingError, TextRequest, open_server, serve


def request(loaded, text, limit=30, **settings):
    return TextRequest(tuple(loaded.tokenizer(text)["input_ids"]), limit, **settings)


def test_a_text_depends_on_its_own_seed_and_prompt_alone(make_loaded):
    loaded = make_loaded()
    alone = serve(loaded, [request(loaded, "tell", seed=7)])[0].text
    others = [request(loaded, "tell" * n, seed=n) for n in range(1, 12)]
    among = serve(loaded, [*others, request(loaded, "tell", seed=7)])
    assert among[-1].text == alone
    assert len({served.text for served in among}) == 12


def test_rows_alike_but_for_their_seed_keep_their_own_stream_when_others_leave(make_loaded, monkeypatch):
    monkeypatch.setattr(sampling, "STRETCH_TOKENS", 1)
    loaded = make_loaded()
    loaded.model.generation_config.eos_token_id = list(range(2, 30))
    requests = [request(loaded, "tell", limit=80, temperature=4.0, seed=seed) for seed in range(12)]
    together = serve(loaded, requests)
    assert [served.text for served in together] == [serve(loaded, [single])[0].text for single in requests]
    assert len({served.tokens for served in together}) > 3


def test_without_a_seed_every_request_differs_and_at_temperature_zero_none(make_loaded):
    loaded = make_loaded()
    assert len({served.text for served in serve(loaded, [request(loaded, "tell")] * 6)}) == 6
    greedy = [request(loaded, "tell", temperature=0.0, seed=seed) for seed in range(6)]
    assert len({served.text for served in serve(loaded, greedy)}) == 1


def test_the_first_token_is_drawn_as_often_as_the_model_says(make_loaded):
    # 4,000 draws; a share strays more than 5 standard errors once in about 1.7 million times, for each of 20 tokens.
    loaded = make_loaded()
    prompt = loaded.tokenizer("tell")["input_ids"]
    n = 4000
    drawn = Counter(
        served.text for served in serve(loaded, [TextRequest(tuple(prompt), 1, 0.5, seed=seed) for seed in range(n)])
    )
    with torch.no_grad():
        logits = loaded.model(torch.tensor([prompt])).logits[0, -1]
    shares = torch.softmax(logits / 0.5, dim=-1)
    for token in shares.topk(20).indices.tolist():
        share = shares[token].item()
        text = loaded.tokenizer.decode([token], skip_special_tokens=True)
        if text and "�" not in text:
            assert abs(drawn[text] / n - share) < 5 * (share * (1 - share) / n) ** 0.5 + 1e-9


def test_top_k_and_top_p_narrow_the_choice(make_loaded):
    loaded = make_loaded()
    for narrow in ({"top_k": 1}, {"top_p": 1e-6}):
        texts = {served.text for served in serve(loaded, [request(loaded, "tell", **narrow)] * 5)}
        assert texts == {serve(loaded, [request(loaded, "tell", temperature=0.0)])[0].text}


def test_cut_off_texts_and_sampled_tokens_are_told(make_loaded):
    loaded = make_loaded()
    loaded.model.generation_config.eos_token_id = list(range(2, 60))
    requests = [request(loaded, "tell", limit=6, temperature=4.0, seed=seed) for seed in range(40)]
    texts = serve(loaded, requests)
    assert {served.is_cut_off for served in texts} == {True, False}
    assert all(served.tokens == 6 for served in texts if served.is_cut_off)
    assert {served.tokens for served in texts} > {1, 2, 6}


def test_requests_of_every_kind_are_served_together_each_in_its_own_way(make_loaded):
    loaded = make_loaded()
    server = Server(loaded)
    schemas = [None, json.dumps({"enum": ["yes", "no"]}), json.dumps({"type": "integer", "maximum": 9, "minimum": 0})]
    batches = []
    original = serving.serve
    try:
        serving.serve = lambda model, requests: batches.append(len(requests)) or original(model, requests)
        futures = [
            server.submit(request(loaded, f"tell {n}", seed=n, schema=schemas[n % 3]), batch_size=32) for n in range(18)
        ]
        texts = [future.result(timeout=60).text for future in futures]
    finally:
        serving.serve = original
    assert sorted(batches) == [6, 6, 6]
    assert {json.loads(text) for text in texts[1::3]} <= {"yes", "no"}
    assert {json.loads(text) for text in texts[2::3]} <= set(range(10))
    assert texts[0::3] == [serve(loaded, [request(loaded, f"tell {n}", seed=n)])[0].text for n in range(0, 18, 3)]


def test_requests_of_one_moment_keep_their_own_limits_and_temperatures(make_loaded):
    loaded = make_loaded()
    server = Server(loaded)
    limits = [3, 9, 3, 9]
    served = [server.submit(request(loaded, "tell", limit, seed=1, temperature=4.0), 32) for limit in limits]
    assert [future.result(timeout=60).tokens for future in served] == limits
    greedy = [server.submit(request(loaded, "tell", 9, temperature=t), 32) for t in (0.0, 4.0, 0.0)]
    first, second, third = (future.result(timeout=60).text for future in greedy)
    assert first == third != second


def test_different_prompts_draw_differently_with_one_seed(make_loaded):
    loaded = make_loaded()
    streams = [serving._stream(request(loaded, text, seed=3)).random() for text in ("tell", "say", "tell")]
    assert streams[0] == streams[2] != streams[1]


def test_no_batch_is_larger_than_asked(make_loaded, monkeypatch):
    loaded = make_loaded()
    batches = []
    original = serving.serve
    monkeypatch.setattr(serving, "serve", lambda model, asked: batches.append(len(asked)) or original(model, asked))
    server = Server(loaded)
    futures = [server.submit(request(loaded, "tell", limit=4), batch_size=4) for _ in range(10)]
    for future in futures:
        future.result(timeout=60)
    assert max(batches) <= 4


def test_a_fault_reaches_those_who_wait_and_the_next_are_served(make_loaded):
    loaded = make_loaded()
    server = Server(loaded)
    wrong = server.submit(request(loaded, "tell", schema='{"type": "no such"}'), batch_size=1)
    with pytest.raises(Exception, match="JSON Schema"):
        wrong.result(timeout=60)
    assert server.submit(request(loaded, "tell"), batch_size=1).result(timeout=60).tokens > 0


def test_the_thread_ends_when_idle_and_starts_anew(make_loaded, monkeypatch):
    monkeypatch.setattr(serving, "IDLE_SECONDS", 0.05)
    loaded = make_loaded()
    server = Server(loaded, window_seconds=0.01)
    for _ in range(2):
        server.submit(request(loaded, "tell", limit=2), batch_size=1).result(timeout=60)
        thread = server._thread
        if thread is not None:
            thread.join(timeout=10)
        assert server._thread is None


def test_a_model_that_is_served_already_is_shared(tiny_folder):
    server = open_server(str(tiny_folder), device="cpu")
    assert open_server(str(tiny_folder), device="cpu") is server
    other = open_server(str(tiny_folder), device="cpu", dtype="float16")
    assert other is not server
    assert other.loaded.model.dtype == torch.float16


def test_devices_and_types_that_do_not_exist_are_named(tiny_folder):
    with pytest.raises(ServingError, match='the device "abacus"'):
        open_server(str(tiny_folder), device="abacus")
    with pytest.raises(ServingError, match='"int8" is no floating-point type'):
        open_server(str(tiny_folder), dtype="int8")
