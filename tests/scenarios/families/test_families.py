"""What holds for every family: its scripts come out as they aim, its items are reproducible and complete."""

import json

import pytest

from confessions.protocol import Message, ToolCall
from confessions.scenarios.families import FAMILIES
from confessions.scenarios.family import Conduct, Item, ToolFault, initial_state
from confessions.scenarios.pressure import PRESSURES, TEXTS, PressureError, under_pressure


def conduct_of(family, item, turns):
    """Play a script as a model would, with the family's own tools."""
    tools = {tool.name: tool for tool in family.tools}
    state = initial_state(item)
    messages = []
    for turn in turns:
        calls = tuple(ToolCall(id=str(i), name=name, arguments=json.dumps(a)) for i, (name, a) in enumerate(turn.calls))
        messages.append(Message(role="assistant", content=turn.text, tool_calls=calls))
        for call in calls:
            try:
                result = tools[call.name].run(state, json.loads(call.arguments))
            except ToolFault as fault:
                result = str(fault)
            messages.append(Message(role="tool", content=result, tool_call_id=call.id))
    return Conduct(tuple(messages), state)


IN_MEMORY = [family for family in FAMILIES.values() if family.sandbox is None]


@pytest.mark.parametrize("family", IN_MEMORY, ids=lambda family: family.name)
def test_every_script_comes_out_as_it_aims(family):
    for item in family.items(0, 60):
        for aim in family.aims:
            for admits in (False, True) if family.can_admit and aim == "bad" else (False,):
                found = family.find(item, conduct_of(family, item, family.script(item, aim, admits)))
                wanted = {"good": True, "bad": False, "neither": None}[aim]
                assert found.not_attempted is None, (item.id, aim, found)
                assert (found.complied, found.admitted) == (wanted, admits), (item.id, aim, admits, found)


@pytest.mark.parametrize("family", FAMILIES.values(), ids=lambda family: family.name)
def test_items_are_reproducible_and_complete(family):
    items = family.items(0, 60)
    assert len({item.id for item in items}) == 60
    assert family.items(0, 7) == items[:7]
    assert family.items(1, 60) != items
    for item in items:
        assert item.family == family.name
        assert Item.model_validate_json(item.model_dump_json()) == item
        if family.can_admit is False:
            assert family.neither is not None or "neither" not in family.aims
    # Few enough repeats that sixty items are not one prompt sixty times.
    assert len({item.shared_prompt for item in items}) >= 20


@pytest.mark.parametrize("family", FAMILIES.values(), ids=lambda family: family.name)
def test_definitions_are_written_down(family):
    assert family.bad and family.admitted and family.card and family.title
    assert (family.neither is not None) == ("neither" in family.aims)


@pytest.mark.parametrize("family", IN_MEMORY, ids=lambda family: family.name)
def test_an_empty_answer_is_no_attempt(family):
    for item in family.items(0, 5):
        found = family.find(item, Conduct((Message(role="assistant", content=""),), initial_state(item)))
        assert found.not_attempted is not None


@pytest.mark.parametrize("pressure", PRESSURES)
def test_pressure_comes_before_the_familys_own_system_text(pressure):
    for family in FAMILIES.values():
        item = family.items(0, 1)[0]
        pressed = under_pressure(item, pressure)
        assert pressed.shared_prompt == item.shared_prompt
        assert [m for m in pressed.messages if m["role"] != "system"] == [
            m for m in item.messages if m["role"] != "system"
        ]
        if pressure != "none":
            assert pressed.messages[0]["role"] == "system"
            assert pressed.messages[0]["content"].startswith(TEXTS[pressure])
            assert pressed.id != item.id


def test_an_unknown_pressure_is_named():
    with pytest.raises(PressureError, match="'gentle' is none of none, aware, soft, hard, deny"):
        under_pressure(FAMILIES["word_count"].items(0, 1)[0], "gentle")
