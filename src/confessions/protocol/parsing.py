"""Reading a confession out of what a model really wrote: prose around it, code fences, slips of syntax, a cut-off end.

A text that cannot be read is the policy's behaviour and therefore a value, `ParseFailure`, never an exception.
Well-formed JSON is read by the standard library; the rest is mended by json-repair once the half-written end is gone.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import json_repair

from confessions.protocol.report import (
    ENTRY_KEYS,
    FULL,
    PROFILES,
    Compliance,
    ConfessionReport,
    ObjectiveCompliance,
    Profile,
)

FailureReason = Literal["empty", "too_long", "no_json", "wrong_shape", "unknown_label", "bad_grade", "no_objectives"]

MAX_CHARACTERS = 200_000
"""Longer texts are refused unread, so that reading stays fast on any text."""
_MAX_DEPTH = 16
_MAX_CANDIDATES = 32
_CLOSERS = {"{": "}", "[": "]"}
_JSON = json.JSONDecoder()


@dataclass(frozen=True)
class ParsedReport:
    """A report and what had to be mended to read it."""

    report: ConfessionReport
    repairs: tuple[str, ...]
    """Among prose, fence, syntax, truncated, profile, labels, types, characters."""


@dataclass(frozen=True)
class ParseFailure:
    """Why a text is not a report."""

    reason: FailureReason
    detail: str
    text: str


class _Found(NamedTuple):
    """A JSON value that may be a report, where it lies in the text, and what was mended."""

    value: Any
    start: int
    end: int
    repairs: frozenset[str]


class _Unreadable(Exception):
    """Carry a failure's reason and detail up to `parse_report`."""

    def __init__(self, reason: FailureReason, detail: str) -> None:
        super().__init__(detail)
        self.reason: FailureReason = reason
        self.detail = detail


def parse_report(text: str, profile: Profile = FULL) -> ParsedReport | ParseFailure:
    """Read the report in a text, whatever else the text holds.

    The last complete report counts; without one, the last that can be mended. Of a cut-off report the complete entries
    are kept and the half-written one is dropped. Keys and labels of every profile are read, `profile`'s own first.
    """
    try:
        return _parse(text, profile)
    except _Unreadable as failure:
        return ParseFailure(failure.reason, failure.detail, text)


def _parse(text: str, profile: Profile) -> ParsedReport:
    if not text.strip():
        raise _Unreadable("empty", "the text is empty")
    if len(text) > MAX_CHARACTERS:
        raise _Unreadable("too_long", f"the text has {len(text)} characters; at most {MAX_CHARACTERS} are read")
    profiles = (profile, *(other for other in PROFILES.values() if other.name != profile.name))
    starts = _candidates(text, profiles)
    if not starts:
        keys = " or ".join(f'"{key}"' for key in (profiles[0].entries_key, profiles[1].entries_key))
        if _holds_json(text):
            raise _Unreadable("wrong_shape", f"there is JSON, but no object that begins with a report's keys, {keys}")
        raise _Unreadable("no_json", f"there is no JSON object with the key {keys}")

    whole = _last_whole(text, starts)
    if whole is not None:
        return _report(text, whole, profiles)
    return _last_mended(text, starts, profiles)


def _candidates(text: str, profiles: tuple[Profile, ...]) -> list[int]:
    """Find where an object begins whose first key is one of a report's."""
    keys = "|".join(re.escape(key) for profile in profiles for key in profile.keys)
    pattern = rf"\{{\s*(?:\"(?:{keys})\"|'(?:{keys})'|(?:{keys})\s*:)"
    return [match.start() for match in re.finditer(pattern, text)][-_MAX_CANDIDATES:]


def _holds_json(text: str) -> bool:
    for match in list(re.finditer(r"[\[{]", text))[:_MAX_CANDIDATES]:
        try:
            _JSON.raw_decode(text, match.start())
        except (ValueError, RecursionError):
            continue
        return True
    return False


def _last_whole(text: str, starts: list[int]) -> _Found | None:
    """Find the last candidate that is well-formed JSON, not counting those inside another."""
    found = None
    for start in starts:
        if found is not None and start < found.end:
            continue
        try:
            value, end = _JSON.raw_decode(text, start)
        except (ValueError, RecursionError):
            continue
        found = _Found(value, start, end, frozenset())
    return found


def _last_mended(text: str, starts: list[int], profiles: tuple[Profile, ...]) -> ParsedReport:
    """Read the last candidate that can be mended; if none can, tell what ails the first."""
    best: ParsedReport | None = None
    first_failure: _Unreadable | None = None
    end = 0
    for start in starts:
        if start < end:
            continue
        try:
            found = _mend(text, start)
            best = _report(text, found, profiles)
            end = found.end
        except _Unreadable as failure:
            first_failure = first_failure or failure
    if best is not None:
        return best
    assert first_failure is not None
    raise first_failure


class _Scan(NamedTuple):
    """How far brackets and quotes say that an object reaches."""

    end: int
    is_closed: bool
    safe_end: int
    """Where the last complete entry, uncertainty or key ends."""
    safe_closers: str
    """The brackets that are open there."""


def _scan(text: str, start: int) -> _Scan:
    """Follow brackets and double quotes from the object's brace to its end, or to the end of the text."""
    stack: list[str] = []
    in_string = escaped = False
    safe_end, safe_closers = start + 1, "}"
    for position in range(start, len(text)):
        character = text[position]
        if in_string:
            if escaped:
                escaped = False
            elif character == "\\":
                escaped = True
            elif character == '"':
                in_string = False
                if stack == ["{", "["]:
                    safe_end, safe_closers = position + 1, "]}"
        elif character == '"':
            in_string = True
        elif character in "{[":
            stack.append(character)
            if len(stack) > _MAX_DEPTH:
                raise _Unreadable("wrong_shape", f"the JSON is nested more than {_MAX_DEPTH} deep; a report is not")
        elif character in "}]":
            opener = "{" if character == "}" else "["
            if opener not in stack:
                continue
            while stack.pop() != opener:
                pass
            if not stack:
                return _Scan(position + 1, True, position + 1, "")
            if stack in (["{"], ["{", "["]):
                safe_end, safe_closers = position + 1, _closers(stack)
        elif character == "," and stack == ["{"]:
            safe_end, safe_closers = position, "}"
    return _Scan(len(text), False, safe_end, safe_closers)


def _closers(stack: list[str]) -> str:
    return "".join(_CLOSERS[opener] for opener in reversed(stack))


def _mend(text: str, start: int) -> _Found:
    """Drop a half-written end, then let json-repair read what is left."""
    scan = _scan(text, start)
    if scan.is_closed:
        return _Found(_repaired(text[start : scan.end]), start, scan.end, frozenset({"syntax"}))
    kept = text[start : scan.safe_end] + scan.safe_closers
    try:
        value, repairs = json.loads(kept), frozenset({"truncated"})
    except (ValueError, RecursionError):
        value, repairs = _repaired(kept), frozenset({"truncated", "syntax"})
    if not _has_entries(value) and text.rstrip("`\n\r\t ").endswith("}"):
        # The text does end in a brace: a stray quote has misled the scan, and nothing was cut off.
        return _Found(_repaired(text[start:]), start, len(text), frozenset({"syntax"}))
    return _Found(value, start, scan.end, repairs)


def _has_entries(value: object) -> bool:
    return isinstance(value, dict) and any(value.get(profile.entries_key) for profile in PROFILES.values())


def _repaired(text: str) -> object:
    try:
        return json_repair.loads(text, skip_json_loads=True)
    except Exception as error:  # Untrusted text may break the library in any way; the text is then unreadable.
        raise _Unreadable("wrong_shape", f"the JSON cannot be mended: {type(error).__name__}") from None


def _report(text: str, found: _Found, profiles: tuple[Profile, ...]) -> ParsedReport:
    """Turn JSON into a report, noting what had to be mended."""
    value = found.value
    if not isinstance(value, dict):
        raise _Unreadable("wrong_shape", "the report is not an object")
    is_cut_off = "truncated" in found.repairs
    repairs = set(found.repairs) | _surroundings(text, found)
    profile = next((profile for profile in profiles if profile.entries_key in value), profiles[0])
    if profile.name != profiles[0].name:
        repairs.add("profile")
    if is_cut_off and not value.get(profile.entries_key):
        raise _Unreadable("no_objectives", "the text is cut off before its first entry is complete")
    missing = [key for key in profile.keys if key not in value]
    if missing and not is_cut_off:
        raise _Unreadable("wrong_shape", f'the report lacks the key "{missing[0]}"')

    raw_entries = value[profile.entries_key]
    if not isinstance(raw_entries, list):
        raise _Unreadable("wrong_shape", f'"{profile.entries_key}" should be a list of objects')
    if not raw_entries:
        raise _Unreadable("no_objectives", f'"{profile.entries_key}" is empty')
    where = f"{profile.entries_key}[{{}}]"
    entries = tuple(_entry(raw, where.format(i), profiles, repairs) for i, raw in enumerate(raw_entries))
    uncertainties = _uncertainties(value.get(profile.uncertainties_key, []), profile.uncertainties_key, repairs)
    grade = _grade(value[profile.grade_key], profile.grade_key, repairs) if profile.grade_key in value else None
    report = ConfessionReport(
        compliance_analysis=entries, uncertainties_and_conflicts=uncertainties, overall_compliance_grade=grade
    )
    return ParsedReport(report, tuple(sorted(repairs)))


def _surroundings(text: str, found: _Found) -> set[str]:
    before, after = text[: found.start].rstrip(), text[found.end :].lstrip()
    is_fenced = re.search(r"```\w*$", before) is not None or after.startswith("```")
    rest = re.sub(r"```\w*$", "", before) + after.removeprefix("```")
    return ({"fence"} if is_fenced else set()) | ({"prose"} if rest.strip() else set())


def _entry(raw: object, where: str, profiles: tuple[Profile, ...], repairs: set[str]) -> ObjectiveCompliance:
    if not isinstance(raw, dict):
        raise _Unreadable("wrong_shape", f"{where} is not an object")
    for key in ENTRY_KEYS:
        if key not in raw:
            raise _Unreadable("wrong_shape", f'{where} lacks the key "{key}"')
        if not isinstance(raw[key], str):
            raise _Unreadable("wrong_shape", f"{where}.{key} should be text")
    if not raw["objective"]:
        raise _Unreadable("wrong_shape", f"{where}.objective is empty")
    return ObjectiveCompliance(
        objective=_clean(raw["objective"], repairs),
        analysis=_clean(raw["analysis"], repairs),
        compliance=_label(raw["compliance"], where, profiles, repairs),
    )


def _label(word: str, where: str, profiles: tuple[Profile, ...], repairs: set[str]) -> Compliance:
    tidy = re.sub(r"[\s-]+", "_", word.strip().lower())
    for profile in profiles:
        for label, own in profile.labels.items():
            if own == tidy:
                if tidy != word or profile is not profiles[0]:
                    repairs.add("labels")
                return label
    known = ", ".join(profiles[0].labels.values())
    shown = json.dumps(word if len(word) <= 60 else word[:60] + "...")
    raise _Unreadable("unknown_label", f"{where}.compliance is {shown}, none of {known}")


def _uncertainties(raw: object, key: str, repairs: set[str]) -> tuple[str, ...]:
    if isinstance(raw, str) or raw is None:
        repairs.add("types")
        raw = [raw] if raw else []
    if not isinstance(raw, list) or not all(isinstance(item, str) for item in raw):
        raise _Unreadable("wrong_shape", f'"{key}" should be a list of texts')
    return tuple(_clean(item, repairs) for item in raw)


def _grade(raw: object, key: str, repairs: set[str]) -> int:
    grade = raw
    if isinstance(raw, str) and re.fullmatch(r"\s*[1-7]\s*", raw):
        grade = int(raw)
    elif isinstance(raw, float) and raw in range(1, 8):
        grade = int(raw)
    if grade is not raw:
        repairs.add("types")
    if isinstance(grade, bool) or not isinstance(grade, int) or not 1 <= grade <= 7:
        shown = repr(raw)[:20] if isinstance(raw, str | float | bool) or raw is None else "out of range"
        raise _Unreadable("bad_grade", f'"{key}" should be a whole number from 1 to 7, not {shown}')
    return grade


def _clean(text: str, repairs: set[str]) -> str:
    """Replace halves of surrogate pairs, which no UTF-8 file can hold."""
    cleaned = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if cleaned != text:
        repairs.add("characters")
    return cleaned
