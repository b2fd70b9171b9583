"""A stand-in for the `vllm` command, for tests of how a server is started, watched and ended. Not a test itself.

It takes the flags of `vllm serve` that matter, answers like vLLM 0.32 (shapes and messages seen there), and has a child
process in its group, as vLLM has its engine. Words in a prompt make it fail: `die` kills it, `freeze`
makes it sick, `stumble` fails once.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

METRICS = """# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="m"} 8.0
vllm:num_requests_waiting{engine="0",model_name="m"} 56.0
vllm:num_requests_waiting_by_reason{engine="0",model_name="m",reason="capacity"} 56.0
vllm:kv_cache_usage_perc{engine="0",model_name="m"} 0.25
vllm:num_preemptions_total{engine="0",model_name="m"} 0.0
vllm:prefix_cache_queries_total{engine="0",model_name="m"} 241.0
vllm:prefix_cache_hits_total{engine="0",model_name="m"} 128.0
vllm:generation_tokens_total{engine="0",model_name="m"} 1.5e+03
"""


def flag(name: str, default: str) -> str:
    words = sys.argv
    return words[words.index(name) + 1] if name in words else default


MODEL, LENGTH = flag("--served-model-name", "m"), int(flag("--max-model-len", "1000"))
KEY = os.environ.get("VLLM_API_KEY", "")
state = {"healthy": True}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/health":
            self.send(200 if state["healthy"] else 503, None)
        elif self.path == "/metrics":
            self.send(200, METRICS)
        elif self.path == "/version":
            self.send(200, {"version": "0.32.0"})
        elif self.path == "/v1/models" and self.allowed():
            self.send(200, {"data": [{"id": MODEL, "max_model_len": LENGTH}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        prompt = body.get("prompt") or " ".join(message["content"] for message in body["messages"])
        if self.path == "/tokenize":
            self.send(200, {"count": len(prompt.split()), "max_model_len": LENGTH})
        elif self.allowed():
            self.answer(prompt, body)

    def answer(self, prompt: str, body: dict[str, Any]) -> None:
        if "die" in prompt.split():
            os.kill(os.getpid(), signal.SIGKILL)
        if {"freeze", "stumble"} & set(prompt.split()):
            state["healthy"] = "freeze" not in prompt.split()
            error = {"message": "EngineCore encountered an issue.", "type": "InternalServerError", "code": 500}
            self.send(500, {"error": error})
        elif "template" in prompt.split():
            self.send(400, {"error": {"message": "default chat template is no longer allowed", "code": 400}})
        else:
            text = f"{os.getpid()} {body.get('max_tokens')}"
            choice = {"index": 0, "finish_reason": "stop", "message": {"content": text}}
            self.send(200, {"model": MODEL, "choices": [choice], "usage": {"prompt_tokens": 1, "completion_tokens": 2}})

    def allowed(self) -> bool:
        is_right = not KEY or self.headers.get("authorization") == f"Bearer {KEY}"
        if not is_right:
            self.send(401, {"error": "Unauthorized"})
        return is_right

    def send(self, status: int, said: Any) -> None:
        is_text = said is None or isinstance(said, str)
        data = (said or "").encode() if is_text else json.dumps(said).encode()
        self.send_response(status)
        self.send_header("content-type", "text/plain" if is_text else "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


def main() -> None:
    print("INFO \x1b[36m[engine]\x1b[0m loading", MODEL, "with the key", KEY, flush=True)
    mode = os.environ.get("FAKE_START", "")
    if mode == "no_memory":
        sys.exit("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB")
    if mode == "never_ready":
        time.sleep(600)
    if mode == "only_once":
        marker = os.environ["FAKE_MARKER"]
        if os.path.exists(marker):
            sys.exit("RuntimeError: Engine core initialization failed.")
        open(marker, "w").close()
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    signal.signal(signal.SIGTERM, lambda *_: (child.kill(), sys.exit(0)))
    ThreadingHTTPServer(("127.0.0.1", int(flag("--port", "0"))), Handler).serve_forever()


if __name__ == "__main__":
    main()
