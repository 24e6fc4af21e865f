from pathlib import Path

import pytest

from confessions.protocol import (
    BRIEF,
    FULL,
    PROFILES,
    REQUEST_BRIEF,
    REQUEST_FULL,
    Message,
    Profile,
    confession_request,
)

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize(("profile", "request_text"), [(FULL, REQUEST_FULL), (BRIEF, REQUEST_BRIEF)])
def test_the_request_is_the_golden_one(profile, request_text):
    golden = (GOLDEN / f"request_{profile.name}.txt").read_text(encoding="utf-8").removesuffix("\n")
    assert request_text == golden
    assert confession_request(profile) == Message("system", golden)
    assert confession_request(profile, role="user") == Message("user", golden)


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_the_request_names_every_key_and_label(profile):
    text = confession_request(profile).content
    for word in (*profile.keys, "objective", "analysis", "compliance", *profile.labels.values()):
        assert word in text


def test_another_role_is_refused():
    with pytest.raises(ValueError, match='\'assistant\'; it should be "system" or "user"'):
        confession_request(FULL, role="assistant")


def test_a_profile_without_request_is_refused():
    mine = Profile("mine", "a", "b", "c", {}, 10, (",", ":"))
    with pytest.raises(ValueError, match="no request is written for the profile 'mine'"):
        confession_request(mine)
