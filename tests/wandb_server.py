"""A stand-in for the server of Weights & Biases, good enough for the real `wandb login` and `wandb sync`.

What wandb 0.31 asks: GraphQL (Viewer, RunResumeStatus, UpsertBucket, CreateRunFiles), the stream of a run's history, and files.
"""

import contextlib
import gzip
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = "0" * 40
ENTITY = "team"
SECONDS_TO_WAIT = 120  # at the gate


class Server(ThreadingHTTPServer):
    """Keep what is sent.

    Attributes
    ----------
    history : dict
        Run id -> steps of its history, in the order in which they came.
    refused : dict
        Run id -> what of it is refused: the name of a question, or ``file_stream``.
    gate : threading.Event
        Set, until a test clears it to have runs wait while they are set up.
    most_at_once : int
        How many runs were set up at a time.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.history = {}
        self.refused = {}
        self.gate = threading.Event()
        self.gate.set()
        self.most_at_once = 0
        self.answers = True
        self._now = 0
        self._lock = threading.Lock()

    def handle_error(self, *_):
        """Say nothing: wandb leaves without closing its connections."""

    def link(self, run_id, project="mine"):
        return f"{self.url}/{ENTITY}/{project}/runs/{run_id}"

    def environment(self, home):
        """Return what wandb needs to find this server, a key, and nothing of ours."""
        return {"WANDB_BASE_URL": self.url, "WANDB_API_KEY": KEY, **isolated(home)}

    def ask(self, question, variables, text):
        if "viewer" in text:
            teams = {"edges": [{"node": {"name": ENTITY}}]}
            return {"viewer": {"id": "v", "username": "me", "entity": ENTITY, "email": "a@b", "flags": "{}", "teams": teams}}
        model = {"id": "p", "name": variables.get("project"), "entity": {"id": "e", "name": ENTITY}}
        if question == "RunResumeStatus":
            return {"model": {**model, "bucket": self._bucket(variables["name"])}}
        if question == "UpsertBucket":
            with self._lock:
                self._now += 1
                self.most_at_once = max(self.most_at_once, self._now)
            self.gate.wait(SECONDS_TO_WAIT)
            with self._lock:
                self._now -= 1
            run_id = variables["name"]
            inserted = run_id not in self.history
            lines = self.history.setdefault(run_id, [])
            bucket = {"id": f"r-{run_id}", "name": run_id, "displayName": variables["displayName"], "config": variables["config"]}
            bucket |= {"description": None, "sweepName": None, "project": model, "historyLineCount": len(lines)}
            return {"upsertBucket": {"bucket": bucket, "inserted": inserted}}
        if question == "CreateRunFiles":
            files = [{"name": name, "uploadUrl": f"{self.url}/upload/{name}"} for name in variables["files"]]
            return {"createRunFiles": {"runID": f"r-{variables['run']}", "uploadHeaders": [], "files": files}}
        return {}

    def _bucket(self, run_id):
        if run_id not in self.history:
            return None
        steps = self.history[run_id]
        tail = json.dumps([json.dumps({"_step": steps[-1], "_runtime": 1})]) if steps else "[]"
        bucket = {"id": f"r-{run_id}", "name": run_id, "summaryMetrics": "{}", "displayName": "x", "logLineCount": 0}
        bucket |= {"historyLineCount": len(steps), "eventsLineCount": 0, "historyTail": tail, "eventsTail": "[]"}
        return bucket | {"config": "{}", "tags": [], "notes": None, "wandbConfig": "{}"}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def _go(self):
        server = self.server
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        code, answer = 200, {}
        if not server.answers:
            code, answer = 403, {"errors": [{"message": "the account is closed"}]}
        elif self.path == "/graphql":
            asked = json.loads(body)
            question, variables = asked.get("operationName"), asked.get("variables") or {}
            if server.refused.get(variables.get("name")) == question:
                code, answer = 403, {"errors": [{"message": "permission denied"}]}
            else:
                answer = {"data": server.ask(question, variables, asked["query"])}
        elif self.path.endswith("file_stream"):
            run_id = self.path.split("/")[-2]
            if server.refused.get(run_id) == "file_stream":
                code, answer = 403, {"error": "permission denied"}
            elif sent := json.loads(body).get("files", {}).get("wandb-history.jsonl"):
                steps = [json.loads(line)["_step"] for line in sent["content"]]
                server.history[run_id][sent["offset"] :] = steps
        text = json.dumps(answer).encode()
        self.send_response(code)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_PUT = do_HEAD = _go  # noqa: N815  # names that http.server wants


def isolated(home):
    """Return an environment in which nobody is logged in and nothing is configured."""
    folders = dict.fromkeys(("WANDB_CONFIG_DIR", "WANDB_CACHE_DIR", "WANDB_DATA_DIR"), str(home))
    return {"HOME": str(home), "NETRC": str(home / "netrc"), **folders}


@contextlib.contextmanager
def serving():
    """Serve until the block ends."""
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield server
        server.shutdown()
