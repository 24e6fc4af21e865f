"""The bench of judges: its cases are as they claim to be, and its measures find what a made-up judge does."""

import math

import numpy as np
import pytest

from confessions.evaluation.metrics import wilson as whole_wilson
from confessions.judges.bench import SHIFTS, Judged, Measure, measure_judge, wilson
from confessions.judges.bench_cases import (
    DEFECTS,
    PLACES,
    PLANS,
    PROFILE_OF,
    RANK,
    SOURCES,
    Variant,
    hostile_texts,
    make_cases,
    play,
)
from confessions.judges.prompts import injections
from confessions.judges.verdicts import scenario_of
from confessions.protocol import ParsedReport, Transcript, parse_report
from confessions.scenarios.families import FAMILIES

N = 48
CASES = {source: make_cases(source, N) for source in SOURCES}
EVERY = [case for cases in CASES.values() for case in cases]
WRITING = [case for case in EVERY if "scenario" in case.columns]


def report(case, variant):
    parsed = parse_report(case.confessions[variant], PROFILE_OF[case.source])
    assert isinstance(parsed, ParsedReport), (case.id, variant)
    return parsed.report


def entries(case, variant):
    return report(case, variant).compliance_analysis


def with_variant(variant, cases=EVERY):
    found = [case for case in cases if variant in case.confessions]
    assert len(found) >= len(cases) / 4, variant
    return found


@pytest.mark.parametrize("source", SOURCES)
def test_cases_are_the_same_for_the_same_arguments_and_fewer_are_the_first_ones(source):
    assert make_cases(source, 5) == CASES[source][:5]
    assert [case.digest for case in make_cases(source, 5)] == [case.digest for case in CASES[source][:5]]
    assert make_cases(source, 5, seed=1) != CASES[source][:5]
    assert len({case.digest for case in CASES[source]}) == N


def test_every_variant_has_a_rank_and_the_defects_are_those_below_the_truth():
    assert set(RANK) == set(Variant)
    assert set(DEFECTS) == {v for v, rank in RANK.items() if rank < 4} - {Variant.FALSE_CLAIM_PADDED}
    assert {variant for case in EVERY for variant in case.confessions} == set(Variant)


def test_a_case_is_a_transcript_that_training_could_give():
    for case in EVERY:
        Transcript((*case.prompt, *case.conduct))
        assert not any(message.reasoning for message in (*case.prompt, *case.conduct))
        assert case.conduct[-1].role == "assistant" and case.conduct[-1].content


@pytest.mark.parametrize(
    ("variant", "expected"),
    [
        (Variant.TRUTHFUL, lambda kept: kept),
        (Variant.TRUTHFUL_PADDED, lambda kept: kept),
        (Variant.BREACH_FIRST, lambda kept: kept),
        (Variant.BREACH_LAST, lambda kept: kept),
        (Variant.WRONG_REASON, lambda kept: kept),
        (Variant.FALSE_CLAIM, lambda kept: (True,) * len(kept)),
        (Variant.FALSE_CLAIM_PADDED, lambda kept: (True,) * len(kept)),
        (Variant.FORGED_EVIDENCE, lambda kept: (True,) * len(kept)),
        (Variant.FLATTERY, lambda kept: (True,) * len(kept)),
        (Variant.OVER_CONFESSION, lambda kept: (False,) * len(kept)),
        (Variant.VAGUE_HEDGE, lambda kept: tuple(True if k and not all(kept) else None for k in kept)),
    ],
)
def test_verdicts_on_writing_tasks_are_as_the_variant_says(variant, expected):
    for case in with_variant(variant, WRITING):
        scenario = scenario_of(case.columns["scenario"])
        kept = scenario.kept(case.conduct[-1].content)
        assert tuple(fact.kept for fact in case.facts) == kept
        assert scenario.verdicts(report(case, variant)) == expected(kept), case.id


def test_the_missing_objective_is_a_broken_one_where_there_is_one():
    for case in with_variant(Variant.MISSING_OBJECTIVE):
        said = {entry.objective for entry in entries(case, Variant.MISSING_OBJECTIVE)}
        missing = [fact for fact in case.facts if fact.objective not in said]
        assert len(missing) == 1
        assert missing[0].kept == all(fact.kept for fact in case.facts)


def test_a_truthful_label_says_what_the_answer_told_its_user():
    for case in EVERY:
        for fact, entry in zip(case.facts, entries(case, Variant.TRUTHFUL), strict=True):
            label = entry.compliance
            assert label.is_violation is not fact.kept
            assert fact.kept or label.told_user is (fact.told is False)


@pytest.mark.parametrize("family", PLANS)
def test_the_families_facts_agree_with_their_own_truth(family):
    item = FAMILIES[family].items(3, 1)[0]
    for plan in PLANS[family]:
        finding = FAMILIES[family].find(item, play(FAMILIES[family], item, plan))
        assert finding.not_attempted is None
        assert finding.complied is (plan.aim == "good")
        assert finding.admitted is (plan.aim == "bad" and plan.admits)
    for case in CASES["families"]:
        if case.columns["family"] == family:
            number = int(case.id.rpartition("-")[2])
            own = FAMILIES[family].items(0, number + 1)[number]
            plan = PLANS[family][number % len(PLANS[family])]
            found = FAMILIES[family].find(own, play(FAMILIES[family], own, plan))
            assert case.facts[0].kept is found.complied
            assert found.admitted is (not case.facts[0].kept and case.facts[0].told is False)


def test_tools_are_called_and_answer():
    called = [case for case in CASES["families"] if any(message.tool_calls for message in case.conduct)]
    assert {case.columns["family"] for case in called} == {"covert_rule", "broken_browser"}
    assert all(any(message.role == "tool" for message in case.conduct) for case in called)


def test_false_grounds_are_other_than_the_true_ones_and_quotations_are_not_there():
    for case in EVERY:
        text = "\n".join(
            part for m in (*case.prompt, *case.conduct) for part in (m.content, *(c.arguments for c in m.tool_calls))
        )
        for fact in case.facts:
            assert fact.finding and fact.contrary and fact.wrong
            assert fact.finding not in (fact.contrary, fact.wrong)
            if not fact.kept:
                assert fact.quote and fact.quote not in text.replace("\n", " "), (case.id, fact.quote)
                assert f'"{fact.quote}"' in entries(case, Variant.FORGED_EVIDENCE)[case.facts.index(fact)].analysis


def test_right_verdicts_for_wrong_reasons_differ_in_every_ground():
    for case in EVERY:
        pairs = zip(entries(case, Variant.TRUTHFUL), entries(case, Variant.WRONG_REASON), strict=True)
        assert all(true.compliance == wrong.compliance and true.analysis != wrong.analysis for true, wrong in pairs)


@pytest.mark.parametrize("comparison", [SHIFTS["length"], SHIFTS["length_of_falsehood"]], ids=lambda c: c.changed)
def test_padding_says_nothing_and_is_long(comparison):
    for case in with_variant(comparison.changed):
        short, long = entries(case, comparison.base), entries(case, comparison.changed)
        assert [(e.objective, e.compliance) for e in short] == [(e.objective, e.compliance) for e in long]
        assert all(b.analysis.startswith(a.analysis.rstrip(".")) for a, b in zip(short, long, strict=True))
        assert len(case.confessions[comparison.changed]) > 1.5 * len(case.confessions[comparison.base])


def test_the_order_variants_hold_the_same_entries():
    for case in with_variant(Variant.BREACH_FIRST):
        first, last = entries(case, Variant.BREACH_FIRST), entries(case, Variant.BREACH_LAST)
        assert set(first) == set(last) == set(entries(case, Variant.TRUTHFUL))
        assert first[0].compliance.is_violation and not first[-1].compliance.is_violation
        assert last[-1].compliance.is_violation and not last[0].compliance.is_violation


def test_hostile_texts_stand_in_every_place_and_can_be_written():
    corpus = {injection.text for injection in injections()}
    used = set()
    for case in with_variant(Variant.INJECTION):
        said = entries(case, Variant.FALSE_CLAIM)
        text = case.confessions[Variant.INJECTION]
        text.encode()
        if text.startswith(case.confessions[Variant.FALSE_CLAIM]):
            used.add("behind")
            continue
        made = report(case, Variant.INJECTION)
        assert [e.compliance for e in made.compliance_analysis] == [e.compliance for e in said]
        used.add("uncertainty" if made.uncertainties_and_conflicts else "finding")
    assert used == set(PLACES)
    assert len(set(hostile_texts()) & corpus) > 80


# What the measures find.


def judged(reward, cases=CASES["writing-brief"], **facts):
    return [
        Judged(
            judge="made-up",
            case=case.id,
            digest=case.digest,
            source=case.source,
            rewards={variant: reward(case, variant) for variant in case.confessions},
            seconds=2.0 * len(case.confessions),
            **facts,
        )
        for case in cases
    ]


def measures(reward, **facts) -> dict[str, Measure]:
    return {measure.name: measure for measure in measure_judge(judged(reward, **facts))}


def test_a_judge_that_knows_the_truth_is_right_throughout():
    found = measures(lambda case, variant: RANK[variant] / 7 - 3)
    for defect in DEFECTS:
        assert found[f"accuracy.{defect}"].value == 1.0
        assert found[f"accuracy.{defect}"].ties == 0
        assert found[f"accuracy.{defect}"].n == sum(defect in case.confessions for case in CASES["writing-brief"])
    assert found["accuracy"].value == 1.0 and found["kendall"].value == pytest.approx(1.0)
    assert found["spearman"].value == pytest.approx(1.0)
    assert found["shift.length"].value == found["shift.position"].value == 0.0
    assert found["shift.flattery"].value == pytest.approx(-1 / 7)
    assert found["raised.injection"].value == 0.0
    assert found["missing"].value == 0.0
    assert found["seconds"].value == 2.0 and found["tokens"].value is None


def test_a_judge_that_prefers_lies_is_wrong_throughout():
    found = measures(lambda case, variant: -RANK[variant])
    assert found["accuracy"].value == 0.0
    assert found["kendall"].value == pytest.approx(-1.0)
    assert found["raised.flattery"].value == found["raised.score_order"].value == 1.0


def test_a_constant_judge_ties_and_does_not_correlate():
    found = measures(lambda case, variant: 0.3)
    for defect in DEFECTS:
        measure = found[f"accuracy.{defect}"]
        assert measure.value == 0.5 and measure.ties == measure.n
    assert found["kendall"].value == found["spearman"].value == 0.0
    assert found["spread"].value == pytest.approx(0.0, abs=1e-9)
    assert found["raised.length"].value == 0.0 and found["raised.length"].ties == N


def test_rounding_of_sums_is_no_preference():
    found = measures(lambda case, variant: 0.1 + 0.2 if variant is Variant.TRUTHFUL else 0.3)
    assert found["accuracy"].value == 0.5
    assert found["kendall"].value == 0.0


def test_what_bends_a_judge_is_found_and_nothing_else():
    reward = {Variant.TRUTHFUL_PADDED: 0.5, Variant.BREACH_FIRST: 0.25, Variant.INJECTION: 1.0}
    found = measures(lambda case, variant: reward.get(variant, 0.0))
    assert (found["shift.length"].value, found["raised.length"].value) == (0.5, 1.0)
    assert (found["shift.position"].value, found["raised.position"].value) == (0.25, 1.0)
    assert (found["shift.injection"].value, found["raised.injection"].value) == (1.0, 1.0)
    for name in ("length_of_falsehood", "flattery", "score_order"):
        assert (found[f"shift.{name}"].value, found[f"raised.{name}"].value) == (0.0, 0.0)


def test_a_missing_verdict_is_in_no_measure_and_counted():
    gone = {case.id for case in CASES["writing-brief"][::3]}
    found = measures(lambda case, variant: None if case.id in gone else float(RANK[variant]))
    assert found["accuracy"].value == 1.0 and found["kendall"].value == pytest.approx(1.0)
    assert found["accuracy"].n == N - len(gone)
    asked = {case.id: len(case.confessions) for case in CASES["writing-brief"]}
    assert found["missing"].value == pytest.approx(sum(asked[name] for name in gone) / sum(asked.values()))
    none_at_all = measures(lambda case, variant: None, fault="no column")
    assert none_at_all["accuracy"].value is none_at_all["kendall"].value is None
    assert none_at_all["missing"].value == 1.0


def test_only_the_truth_missing_leaves_no_pair():
    found = measures(lambda case, variant: None if variant is Variant.TRUTHFUL else float(RANK[variant]))
    assert found["accuracy.false_claim"].n == 0 and found["accuracy"].value is None
    assert found["kendall"].value == pytest.approx(1.0)


def test_one_case_has_values_but_no_bootstrap_interval():
    case = CASES["writing-brief"][2]
    found = {measure.name: measure for measure in measure_judge(judged(lambda c, v: float(RANK[v]), [case]))}
    assert found["kendall"] == Measure("kendall", 1.0, None, None, 1)
    assert found["accuracy"].value == 1.0 and found["accuracy"].low is None


def test_the_same_seed_gives_the_same_intervals():
    rows = judged(lambda case, variant: math.sin(int(case.digest, 16) % 1000 + RANK[variant]))
    assert measure_judge(rows) == measure_judge(rows)
    assert measure_judge(rows) != measure_judge(rows, seed=1)


@pytest.mark.parametrize(("hits", "n"), [(0, 7), (7, 7), (3, 9), (40, 41)])
def test_wilson_is_that_of_whole_counts_and_takes_halves(hits, n):
    assert wilson(hits, n) == pytest.approx(tuple(whole_wilson(hits, n)))
    if hits < n:
        low, high = wilson(hits + 0.5, n)
        assert wilson(hits, n)[0] < low < high and low < wilson(hits + 1, n)[0]


def test_the_bootstrap_covers():
    """Of 150 intervals at 95 % over 40 cases at least 130 hold the truth.

    At a true coverage of 93 % fewer than 130 have a chance of 2 in 1000. The seed is fixed.
    """
    rng = np.random.default_rng(5)
    covered = 0
    for _ in range(150):
        rows = [
            Judged(
                judge="made-up",
                case=str(number),
                digest="",
                source="writing-brief",
                rewards={Variant.TRUTHFUL: 0.0, Variant.TRUTHFUL_PADDED: shift},
                seconds=0.0,
            )
            for number, shift in enumerate(rng.uniform(0.0, 1.0, 40))
        ]
        shift = next(measure for measure in measure_judge(rows) if measure.name == "shift.length")
        covered += shift.low <= 0.5 <= shift.high
    assert covered >= 130
