"""What is said: transcripts, the confession request, confession reports, and reading them out of a model's text."""

from confessions.protocol.parsing import FailureReason, ParsedReport, ParseFailure, parse_report
from confessions.protocol.report import (
    BRIEF,
    FULL,
    PROFILES,
    Compliance,
    ConfessionReport,
    ObjectiveCompliance,
    Profile,
    json_schema,
    render,
    suggested_grade,
)
from confessions.protocol.request import REQUEST_BRIEF, REQUEST_FULL, RequestRole, confession_request
from confessions.protocol.transcript import Message, Role, ToolCall, Transcript, TranscriptError

__all__ = [
    "BRIEF",
    "FULL",
    "PROFILES",
    "REQUEST_BRIEF",
    "REQUEST_FULL",
    "Compliance",
    "ConfessionReport",
    "FailureReason",
    "Message",
    "ObjectiveCompliance",
    "ParseFailure",
    "ParsedReport",
    "Profile",
    "RequestRole",
    "Role",
    "ToolCall",
    "Transcript",
    "TranscriptError",
    "confession_request",
    "json_schema",
    "parse_report",
    "render",
    "suggested_grade",
]
