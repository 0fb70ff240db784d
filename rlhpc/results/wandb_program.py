"""The program of Weights & Biases: asked whether it can send, and told to send one part of a run.

Measured with wandb 0.31: ``wandb sync`` ends with 0 whatever came of it. It marks what it has read to its end, also where the
server has refused the data; so a part is sent only if it is marked and no such refusal was told.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from rlhpc.errors import InputError, RlhpcError
from rlhpc.results.wandb_runs import Part

ASKING_SECONDS = 60  # wandb gives up after 11 s where nobody listens
# Would have the program send nothing, or keep the link to itself; trainings on nodes without a network often have them set.
SILENCING = ("WANDB_MODE", "WANDB_SILENT", "WANDB_QUIET")
# Of wandb's words, those that tell of a file, and not of the network: it will not get better by trying again.
UNREADABLE = re.compile(r"incomplete record|: EOF|unexpected EOF|bad header|invalid chunk|checksum mismatch")
REFUSED = re.compile("some run data will not be synced", re.IGNORECASE)  # told of data that a server did not take
OF_THE_KEY = re.compile("api key|invalid credentials", re.IGNORECASE)
NO_REASON = re.compile("find detailed error logs at", re.IGNORECASE)


class Ending(StrEnum):
    """What came of sending a part."""

    SENT = "sent"
    UNREADABLE = "unreadable"  # what could be read of it is sent
    FAILED = "failed"  # to be sent again


@dataclass(frozen=True)
class Outcome:
    """What came of sending a part.

    Attributes
    ----------
    part : Part
    ending : Ending
    url : str or None
        The run's link, as the server told.
    reason : str
        wandb's words, unless it was sent.
    """

    part: Part
    ending: Ending
    url: str | None = None
    reason: str = ""


class Program:
    """The program ``wandb`` of this Python; several threads may send by it."""

    def __init__(self) -> None:
        self._started: set[subprocess.Popen[str]] = set()
        self._lock = threading.Lock()

    def ask(self) -> str:
        """Ask whether there is a key and the server takes it; return whose it is, and of which server, in wandb's words.

        Raises
        ------
        InputError
            If there is no key, or it is refused.
        RlhpcError
            If the server cannot be reached.
        """
        code, output = self._run("login", "--verify", timeout=ASKING_SECONDS)
        if code == 0:
            return next((line for line in _lines(output) if line.startswith("Currently logged in")), "").partition(". Use ")[0]
        words = _words(output) or f"no answer within {ASKING_SECONDS} s"
        if OF_THE_KEY.search(words):
            raise InputError(
                f"Weights & Biases takes no runs from here: {words}. Run 'wandb login', or set WANDB_API_KEY; for a server of "
                "your own, also WANDB_BASE_URL."
            )
        raise RlhpcError(
            f"Weights & Biases cannot be reached: {words}. Start this where there is a network, such as on a login node; for a "
            "proxy set HTTPS_PROXY, for a server of your own WANDB_BASE_URL."
        )

    def send(self, part: Part) -> Outcome:
        """Send a part, and wait until wandb has ended: it tries again where the server does not answer."""
        if not part.file.exists():
            return Outcome(part, Ending.UNREADABLE, reason=f"it holds no {part.file.name}: there is nothing to send")
        code, output = self._run("sync", str(part.folder.resolve()))
        told = re.search(rf"https?://\S+/runs/{re.escape(part.run_id)}(?!\S)", output)
        url = told[0] if told else None
        reason = _words(output)
        if part.mark.exists() and not REFUSED.search(reason):
            return Outcome(part, Ending.SENT, url)
        if not part.mark.exists() and UNREADABLE.search(reason):
            return Outcome(part, Ending.UNREADABLE, url, reason)
        part.mark.unlink(missing_ok=True)  # else it would pass for sent
        return Outcome(part, Ending.FAILED, url, reason or f"wandb ended with exit code {code} and sent nothing")

    def kill(self) -> None:
        """End what is being sent, at once."""
        with self._lock:
            for process in self._started:
                process.kill()

    def _run(self, *arguments: str, timeout: float | None = None) -> tuple[int, str]:
        """Run the program; return its exit code, and all that it printed."""
        # its log of errors would make a folder wandb/ where we are
        with tempfile.TemporaryDirectory() as scratch:
            process = self._start(arguments, {"WANDB_DIR": scratch})
            try:
                output, _ = process.communicate(timeout=timeout)
            except subprocess.TimeoutExpired:
                process.kill()
                output, _ = process.communicate()
                return 1, output
            except KeyboardInterrupt:
                process.kill()
                raise
            finally:
                with self._lock:
                    self._started.discard(process)
        return process.returncode, output

    def _start(self, arguments: Sequence[str], variables: Mapping[str, str]) -> subprocess.Popen[str]:
        with self._lock:
            process = subprocess.Popen(
                [sys.executable, "-m", "wandb", *arguments],
                env={**{name: value for name, value in os.environ.items() if name not in SILENCING}, **variables},
                stdin=subprocess.DEVNULL,  # it would ask a terminal for the key
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                start_new_session=True,  # Ctrl-C is for us: a part that is cut off would be sent twice
            )
            self._started.add(process)
        return process


def _lines(output: str) -> list[str]:
    return [line.removeprefix("wandb: ").strip() for line in output.splitlines() if line.strip()]


def _words(output: str) -> str:
    """Return the errors in what wandb printed; blank if there are none."""
    errors = [
        line for line in _lines(output) if re.match(r"(ERROR|Error:|panic:|[\w.]+Error\b)", line) and not NO_REASON.search(line)
    ]
    return "; ".join(dict.fromkeys(re.sub(r"^(ERROR|Error:)\s*", "", line).rstrip(".") for line in errors))
