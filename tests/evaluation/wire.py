"""A server on this machine's loopback that speaks like the vendors' endpoints and keeps what it was sent."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

REPLY = "Noted."


class Call(NamedTuple):
    path: str
    body: dict


class Wire:
    """Use as a context manager; `calls` holds every POST in order."""

    def __init__(self):
        self.calls: list[Call] = []
        wire = self

        class Endpoint(BaseHTTPRequestHandler):
            def do_GET(self):
                self._send({"object": "list", "data": [{"id": "model", "object": "model"}]})

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                wire.calls.append(Call(self.path, body))
                self._send(reply_to(self.path))

            def _send(self, value):
                payload = json.dumps(value).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def body(self) -> dict:
        """The body of the last call that asked for text."""
        return self.calls[-1].body


def reply_to(path: str) -> dict:
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    tokens = {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}
    if path.endswith("/chat/completions"):
        message = {"role": "assistant", "content": REPLY}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return {
            "id": "c", "object": "chat.completion", "created": 0, "model": "model", "choices": [choice], "usage": usage
        }  # fmt: skip
    if path.endswith("/responses"):
        text = {"type": "output_text", "text": REPLY, "annotations": []}
        message = {"type": "message", "id": "m", "role": "assistant", "status": "completed", "content": [text]}
        details = {"input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}
        return {
            "id": "r", "object": "response", "created_at": 0, "model": "model", "status": "completed",
            "output": [message], "parallel_tool_calls": False, "tool_choice": "none", "tools": [],
            "usage": tokens | details,
        }  # fmt: skip
    if "/messages" in path:
        return {
            "id": "m", "type": "message", "role": "assistant", "model": "model", "stop_reason": "end_turn",
            "stop_sequence": None, "content": [{"type": "text", "text": REPLY}], "usage": tokens,
        }  # fmt: skip
    if "generateContent" in path:
        content = {"role": "model", "parts": [{"text": REPLY}]}
        counts = {"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5}
        return {"candidates": [{"content": content, "finishReason": "STOP", "index": 0}], "usageMetadata": counts}
    if path.endswith("/conversations"):
        entry = {"type": "message.output", "role": "assistant", "content": REPLY, "id": "e", "model": "model"}
        return {"object": "conversation.response", "conversation_id": "v", "outputs": [entry], "usage": usage}
    raise AssertionError(f"no vendor has the path {path}")
