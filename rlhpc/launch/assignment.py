"""An assignment: what one node of a cluster is to carry out, handed to it as JSON on standard input.

    python -m rlhpc.launch.assignment < assignment.json

Exit codes: 0 all stored, 1 a training failed or nothing can be carried out, 75 to be continued, 74 likewise, and nothing has come
of it so far.
"""

from __future__ import annotations

import dataclasses
import json
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlhpc.errors import IDLE, STOPPED, RlhpcError
from rlhpc.launch import text
from rlhpc.records import Training
from rlhpc.results.store import RESULT, Store
from rlhpc.training import local, places, stop
from rlhpc.training.checkpoint import Checkpoints
from rlhpc.training.outcome import Outcome
from rlhpc.training.plan import NodePlan
from rlhpc.training.settings import TrainSettings
from rlhpc.training.tracking import WandbConfig


@dataclass(frozen=True)
class Assignment:
    """The trainings of one node, and how they are carried out.

    Attributes
    ----------
    node : NodePlan
    root : str
        Of the store, as an absolute path that the node knows too.
    settings : TrainSettings
        Its device may be ``auto``: what there is on the node.
    """

    node: NodePlan
    root: str
    settings: TrainSettings

    def to_json(self) -> str:
        """Spell it for `from_json`."""
        return json.dumps(dataclasses.asdict(self))


def from_json(spelled: str) -> Assignment:
    """Read what `Assignment.to_json` spelled."""
    given = json.loads(spelled)
    node: Mapping[str, Any] = given["node"]
    trainings = tuple(Training(**training) for training in node["trainings"])
    wandb: Mapping[str, Any] = given["settings"]["wandb"]
    settings = TrainSettings(**{**given["settings"], "wandb": WandbConfig(**{**wandb, "tags": tuple(wandb["tags"])})})
    return Assignment(NodePlan(**{**node, "trainings": trainings}), given["root"], settings)


def carry_out(assignment: Assignment) -> Outcome:
    """Carry out an assignment on this node.

    Raises
    ------
    RlhpcError
        If GPUs were asked for and none is to be seen, or nothing can be written or started any more.
    """
    gpus = places.visible_gpus() if assignment.node.n_gpus else ()  # without having asked, they are others'
    settings = assignment.settings if assignment.node.n_gpus else dataclasses.replace(assignment.settings, device="cpu")
    if assignment.node.n_gpus and not gpus and settings.device != "cpu":
        raise RlhpcError(
            f"{assignment.node.n_gpus} GPUs were asked for, and this node shows none (CUDA_VISIBLE_DEVICES is not set, and"
            " nvidia-smi lists none). Spell them as this site wants them, such as slurm.options.gres=gpu:2, or train on cores:"
            " packing.gpus_per_node=0."
        )
    settings = dataclasses.replace(settings, device=local.device(settings.device, gpus))
    return local.carry_out(assignment.node, gpus, Store(Path(assignment.root)), settings)


def _progress(assignment: Assignment) -> list[tuple[bool, int]]:
    """Return how far each training has come: whether its result is there, and the agent steps of its checkpoint."""
    folders = [Store(Path(assignment.root)).folder(training) for training in assignment.node.trainings]
    return [((folder / RESULT).exists(), Checkpoints(folder).timesteps()) for folder in folders]


def main() -> int:
    """Carry out what standard input says."""
    stop.leave_with_parent(signal.SIGTERM)
    assignment = from_json(sys.stdin.read())
    before = _progress(assignment)
    try:
        done = carry_out(assignment)
    except (RlhpcError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    is_online = assignment.settings.wandb.mode == "online"
    print(text.after(done, Store(Path(assignment.root)), is_online=is_online), flush=True)
    if done.stopped or done.elsewhere:
        return STOPPED if done.elsewhere or _progress(assignment) != before else IDLE
    return 1 if done.failed else 0


if __name__ == "__main__":
    sys.exit(main())
