import json
import sys

import pytest

from confessions.models.constrained import (
    SEPARATORS,
    ConstraintError,
    RowTracker,
    bounded_schema,
    json_schema_processor,
)
from confessions.models.resolve import load, resolve
from confessions.models.sampling import sample
from confessions.protocol import BRIEF, FULL, ParsedReport, json_schema, parse_report, render

PROMPTS = [f"{'say ' * (index % 5)}{index}" for index in range(24)]


def constrained_texts(loaded, schema, max_new_tokens, close_in_time=True, separators=SEPARATORS, **settings):
    """Sample about each prompt under the schema, in several batches."""
    limit = max_new_tokens if close_in_time else None
    processor = json_schema_processor(schema, loaded.tokenizer, max_new_tokens=limit, separators=separators)
    prompts = [loaded.tokenizer(prompt)["input_ids"] for prompt in PROMPTS]
    sampled = sample(
        loaded.model,
        loaded.tokenizer,
        prompts,
        max_new_tokens=max_new_tokens,
        batch_size=10,
        logits_processor=processor,
        **settings,
    )
    ends = [ids[-1] == loaded.tokenizer.eos_token_id for ids in sampled]
    return [loaded.tokenizer.decode(ids, skip_special_tokens=True) for ids in sampled], ends


@pytest.mark.parametrize("profile", [BRIEF, FULL], ids=["brief", "full"])
@pytest.mark.parametrize("temperature", [0.0, 1.0, 3.0])
def test_every_report_of_a_random_model_parses(make_loaded, profile, temperature):
    schema = bounded_schema(json_schema(profile), 3, 30)
    texts, ends = constrained_texts(
        make_loaded(), schema, 900, separators=profile.separators, temperature=temperature, seed=1
    )
    assert all(ends)
    for text in texts:
        parsed = parse_report(text, profile)
        assert isinstance(parsed, ParsedReport), parsed
        assert parsed.repairs == ()
        assert json.loads(text) == json.loads(render(parsed.report, profile))
        assert text.startswith(render(parsed.report, profile)[:20])
        assert len(parsed.report.compliance_analysis) <= 3
        assert all(len(entry.analysis) <= 30 for entry in parsed.report.compliance_analysis)


def test_the_embedded_model_writes_reports_under_the_schema_of_either_profile():
    loaded = load(resolve("embedded"))
    for profile in (BRIEF, FULL):
        texts, _ = constrained_texts(loaded, bounded_schema(json_schema(profile), 3, 40), 300, seed=2)
        assert all(isinstance(parse_report(text, profile), ParsedReport) for text in texts)


@pytest.mark.parametrize("profile", [BRIEF, FULL], ids=["brief", "full"])
def test_a_report_without_bounds_is_closed_before_its_limit_and_is_cut_off_without_one(make_loaded, profile):
    loaded = make_loaded()
    texts, ends = constrained_texts(loaded, json_schema(profile), 400, seed=3)
    assert all(ends)
    assert all(json.loads(text) for text in texts)
    assert any(json.loads(text)[profile.entries_key][0]["analysis"] for text in texts)
    assert all("" not in json.loads(text)[profile.uncertainties_key] for text in texts)  # closing opens no string
    _, ends = constrained_texts(loaded, json_schema(profile), 400, close_in_time=False, seed=3)
    assert not all(ends)


def test_a_label_under_the_closing_rules_stays_the_models_choice(make_loaded):
    texts, _ = constrained_texts(make_loaded(), json_schema(BRIEF), 200, seed=4)
    labels = {json.loads(text)["report"][-1]["compliance"] for text in texts}
    assert len(labels) > 1


def test_rows_that_leave_the_batch_take_their_place_in_the_grammar_with_them(make_loaded):
    schema = {"type": "array", "items": {"enum": [1, 22, 333]}, "minItems": 1, "maxItems": 30}
    texts, ends = constrained_texts(make_loaded(), schema, 200, seed=5)
    lengths = {len(json.loads(text)) for text in texts}
    assert all(ends)
    assert len(lengths) > 3  # so rows did leave at different times


def test_a_finished_text_may_only_end(make_loaded):
    texts, ends = constrained_texts(make_loaded(), {"enum": ["x"]}, 20, close_in_time=False)
    assert set(texts) == {'"x"'}
    assert all(ends)


def test_all_the_ids_that_end_a_turn_may_end_a_document(make_loaded):
    loaded = make_loaded()
    processor = json_schema_processor({"enum": ["x"]}, loaded.tokenizer, eos_ids=[1, 2])
    sampled = sample(
        loaded.model,
        loaded.tokenizer,
        [loaded.tokenizer(f"{index}")["input_ids"] for index in range(40)],
        max_new_tokens=9,
        temperature=50.0,
        eos_ids=[1, 2],
        logits_processor=processor,
    )
    assert {ids[-1] for ids in sampled} == {1, 2}


def test_bounds_cap_arrays_and_free_strings_and_nothing_else():
    schema = {
        "type": "object",
        "title": "kept",
        "properties": {
            "label": {"type": "string", "enum": ["a long label of twenty-nine"]},
            "date": {"type": "string", "format": "date"},
            "text": {"type": ["string", "null"]},
            "short": {"type": "string", "maxLength": 3},
            "long": {"type": "string", "minLength": 9},
            "list": {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "integer"}]}},
            "pair": {"type": "array", "minItems": 8},
        },
        "additionalProperties": False,
    }
    before = json.dumps(schema)
    bounded = bounded_schema(schema, 4, 5)
    assert json.dumps(schema) == before
    properties = bounded["properties"]
    assert properties["label"] == schema["properties"]["label"]
    assert properties["date"] == schema["properties"]["date"]
    assert properties["text"]["maxLength"] == 5
    assert properties["short"]["maxLength"] == 3
    assert properties["long"]["maxLength"] == 9
    assert properties["list"]["maxItems"] == 4
    assert properties["list"]["items"]["anyOf"] == [{"type": "string", "maxLength": 5}, {"type": "integer"}]
    assert properties["pair"]["maxItems"] == 8
    assert bounded["title"] == "kept"
    assert bounded["additionalProperties"] is False
    assert bounded_schema(schema, None, None) == schema


def test_a_tracker_tells_rows_apart_that_have_been_alike():
    import torch

    tracker = RowTracker()
    assert tracker.follow(torch.tensor([[5, 6], [5, 6], [7, 8]])) == ([0, 1, 2], True)
    tracker.expect([2, 9, 9])
    assert tracker.follow(torch.tensor([[5, 6, 9], [7, 8, 9]])) == ([1, 2], False)
    assert tracker.follow(torch.tensor([[7, 8, 9, 4]])) == ([2], False)
    assert tracker.follow(torch.tensor([[1, 2, 3, 4, 5]])) == ([0], True)
    assert tracker.width == 5


def test_what_cannot_be_constrained_is_said(make_loaded, monkeypatch):
    tokenizer = make_loaded().tokenizer
    with pytest.raises(ConstraintError, match="cannot hold a text to this JSON Schema"):
        json_schema_processor({"type": "no such type"}, tokenizer)
    with pytest.raises(ConstraintError, match="less than 4096 tokens"):
        json_schema_processor({"type": "array", "minItems": 3000}, tokenizer, max_new_tokens=100)
    monkeypatch.setitem(sys.modules, "llguidance", None)
    with pytest.raises(ConstraintError, match=r"pip install 'confessions\[local\]'"):
        json_schema_processor({"type": "integer"}, tokenizer)
