"""A real Slurm cluster in a box: several nodes on this machine, for tests and for trying things; nothing is left of it.

    python tests/slurm/cluster.py start                      # 2 nodes of 2 GPUs that are none; says how to use and to stop it
    python tests/slurm/cluster.py start --nodes 4 --set MaxArraySize=5
    python tests/slurm/cluster.py stop                       # the one of SLURM_CONF, or the only one that you started
    python tests/slurm/cluster.py run -- srun -N2 hostname   # start one, run a command in it, stop it

It needs Slurm's programs (Debian, Ubuntu: `apt-get install slurmctld slurmd slurm-client munge slurm-wlm-basic-plugins`) and no
rights: root and every other user may start as many as they like, side by side. Nobody else can reach them.
"""

from __future__ import annotations

import argparse
import contextlib
import getpass
import json
import os
import random
import secrets
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from cluster_conf import ADDRESS, CLUSTER_NAME, SACCT, Paths, Settings, gres_conf, slurm_conf, slurmdbd_conf
from cluster_processes import SECONDS_TO_DIE, Process, alive, find, kill, start_ticks

SHORT = Path("/tmp")  # noqa: S108 - mkdtemp's own folder may be too long for the sockets in it
PREFIX = "slurm-box-"  # of every cluster's folder
BOX, BOX_NODE = "SLURM_BOX", "SLURM_BOX_NODE"  # in the environment of every daemon: its cluster's folder, its node
PROGRAMS = {  # program -> the package of Debian that brings it
    "slurmctld": "slurmctld",
    "slurmd": "slurmd",
    "sbatch": "slurm-client",
    "munged": "munge",
}
ACCOUNTING_PROGRAMS = {"slurmdbd": "slurmdbd", "mariadbd": "mariadb-server-core"}
PLUGINS = "slurm-wlm-basic-plugins"  # brings no program; the daemons do nothing without it
PORTS = range(20_000, 32_000)  # below those that the kernel lends, which it may have lent when a node wants its own back
SECONDS_TO_START = 120.0
POLL_SECONDS = 0.05
GUARD_SECONDS = 0.5
OUTPUT = ".output"  # ends the name of the file that a daemon prints to
LOG_LINES = 15  # of each daemon, in an error
USABLE = {"IDLE", "MIXED", "ALLOCATED", "COMPLETING"}


class ClusterError(Exception):
    """A cluster did not come up, or a command in it failed."""


class MissingProgramsError(ClusterError):
    """This machine lacks programs that a cluster is made of."""


def search_path() -> str:
    """Return the PATH, and the folders of daemons after it, which an ordinary user's leaves out."""
    return os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"])


def missing_packages(accounting: bool = False) -> list[str]:
    """List the packages of Debian that a cluster needs and whose programs this machine lacks.

    Parameters
    ----------
    accounting : bool
        Whether it is one with accounting.

    Returns
    -------
    list of str
    """
    programs = PROGRAMS | (ACCOUNTING_PROGRAMS if accounting else {})
    packages = [package for program, package in programs.items() if shutil.which(program, path=search_path()) is None]
    return [*packages, PLUGINS] if set(packages) & set(PROGRAMS.values()) else packages


def require_programs(accounting: bool = False) -> None:
    """Raise `MissingProgramsError`, which says what to install, where a cluster cannot be started."""
    if packages := missing_packages(accounting):
        raise MissingProgramsError(
            f"Slurm's programs are missing; install them: apt-get install --no-install-recommends {' '.join(packages)}"
        )


def can_hide() -> bool:
    """Whether this machine lets us give a node mounts of its own; a container may not."""
    return subprocess.run(_hiding("/mnt", ["true"]), check=False, capture_output=True).returncode == 0


class Cluster:
    """A throw-away Slurm cluster on this machine.

    Use it as a context manager, or call `start` and `stop`. It ends with the process that started it, however that ends.

    Parameters
    ----------
    lasting : bool
        Whether it stays when this process ends.
    **settings
        Those of `cluster_conf.Settings`: n_nodes, gpus_per_node, cpus, memory_mb, partitions, features, conf, lines, hidden,
        accounting, sacct.
    """

    def __init__(self, *, lasting: bool = False, **settings: Any) -> None:
        self.settings = Settings(**settings)
        self.lasting = lasting
        self.ports: dict[str, int] = {}
        self._paths: Paths | None = None
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Return the cluster of a folder, which any process may have started."""
        record = json.loads(Paths(folder).record.read_text())
        record["settings"]["lines"] = tuple(record["settings"]["lines"])
        cluster = cls(lasting=record["lasting"], **record["settings"])
        cluster.ports = record["ports"]
        cluster._paths = Paths(folder)
        return cluster

    @property
    def paths(self) -> Paths:
        """Where everything of it lies, once it was started."""
        if self._paths is None:
            raise ClusterError("the cluster was not started")
        return self._paths

    @property
    def folder(self) -> Path:
        """The one folder in which everything of it lies."""
        return self.paths.folder

    @property
    def nodes(self) -> tuple[str, ...]:
        """The names of all nodes."""
        return self.settings.nodes

    @property
    def env(self) -> dict[str, str]:
        """The environment in which Slurm's commands mean this cluster."""
        programs = {"PATH": f"{self.paths.programs}{os.pathsep}{search_path()}"}
        return _foreign_environment() | programs | {"SLURM_CONF": str(self.paths.slurm_conf)}

    def run(
        self, *command: str | os.PathLike[str], check: bool = True, timeout: float = 180, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the cluster's environment.

        Parameters
        ----------
        *command : str or path
            Program and arguments; a single text with blanks is split as a shell would.
        check : bool
            Whether to raise if it fails.
        timeout : float
            Seconds.
        **options
            Of `subprocess.run`; an `env` is laid over the cluster's.

        Returns
        -------
        CompletedProcess
            With what it wrote as text.

        Raises
        ------
        ClusterError
            If it fails; with all that it wrote.
        """
        words = shlex.split(str(command[0])) if len(command) == 1 else [str(word) for word in command]
        env = self.env | options.pop("env", {})
        done = subprocess.run(
            words, check=False, timeout=timeout, **({"capture_output": True, "text": True, "env": env} | options)
        )
        if check and done.returncode:
            raise ClusterError(f"{shlex.join(words)} ended with {done.returncode}:\n{done.stdout or ''}{done.stderr or ''}")
        return done

    def states(self, job: str | int) -> list[str]:
        """Return the states of a job, those of an array's elements in order, as squeue names them; ended ones too."""
        shown = self.run("squeue", "-h", "-a", "-r", "-t", "all", "-j", str(job), "-o", "%K %T", check=False).stdout
        by_index = sorted((int(index) if index.isdigit() else 0, state) for index, state in map(str.split, shown.splitlines()))
        return [state for _, state in by_index]

    def wait(self, job: str | int, *states: str, timeout: float = 300) -> list[str]:
        """Wait until every element of a job is in one of some states, COMPLETED unless told.

        Parameters
        ----------
        job : str or int
        *states : str
        timeout : float
            Seconds.

        Returns
        -------
        list of str
            The states it came to.

        Raises
        ------
        ClusterError
            If it takes longer; with the states and what the daemons say.
        """
        wanted = set(states) or {"COMPLETED"}
        now: list[str] = []

        def there() -> bool:
            now[:] = self.states(job)
            return bool(now) and set(now) <= wanted

        self._wait_until(there, timeout, lambda: f"job {job} is {now} and not {sorted(wanted)}")
        return now

    def node_states(self) -> dict[str, str]:
        """Return the state of every node: IDLE, ALLOCATED, DOWN, ...; with a star where it does not answer."""
        shown = self.run("sinfo", "-h", "-a", "-N", "-o", "%N %T", check=False, timeout=60).stdout
        return {name: state.upper() for name, state in map(str.split, shown.splitlines())}

    # Up

    def start(self) -> Self:
        """Start it, and wait until all of its nodes are idle.

        Returns
        -------
        Cluster
            Itself.

        Raises
        ------
        MissingProgramsError
            If this machine lacks Slurm's programs.
        ClusterError
            If it does not come up; with the last lines that its daemons wrote, and nothing left behind.
        """
        require_programs(self.settings.accounting)
        self._paths = Paths(Path(tempfile.mkdtemp(prefix=PREFIX, dir=SHORT)))
        self.ports = _free_ports(["slurmctld", "slurmdbd", *self.nodes])
        try:
            self._write()
            self._start_guard()
            self._start_munged()
            if self.settings.accounting:
                self._start_accounting()
            self._spawn("slurmctld", ["slurmctld", "-D", "-f", str(self.paths.slurm_conf)])
            self._wait_for_port("slurmctld")
            for node in self.nodes:
                self._spawn_slurmd(node)
            self._wait_for_nodes(self.nodes)
        except BaseException:
            self.stop(grace_seconds=0)
            raise
        return self

    def __enter__(self) -> Self:
        return self if self._paths else self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def start_node(self, node: str, hidden: str | os.PathLike[str] | None = None) -> None:
        """Start a node that was killed, and wait until it can be used; Slurm learns that its jobs were lost, if it did not know.

        Parameters
        ----------
        node : str
        hidden : path, optional
            A folder that it does not share from now on; by default the one that the settings name, if any.
        """
        self._fail(node, "started anew")  # Slurm misses no job that began less than 20 s before its node is back
        self._spawn_slurmd(node, hidden)
        self._wait_for_port(node)
        self._wait_for_nodes([node])

    def kill_node(self, node: str, noticed: bool = False) -> None:
        """End a node as a power failure would: its slurmd and all that its jobs started are gone, and none saw another die.

        Parameters
        ----------
        node : str
        noticed : bool
            Whether Slurm learns of it at once, as from an operator; otherwise it does after SlurmdTimeout.
        """
        if node not in self.nodes:
            raise ClusterError(f"there is no node {node}; the nodes are {', '.join(self.nodes)}")
        conf, folder = str(self.paths.slurm_conf), str(self.folder)

        def on_node(env: dict[str, str]) -> bool:
            daemon = env.get(BOX) == folder and env.get(BOX_NODE) == node
            return daemon or (env.get("SLURM_CONF") == conf and env.get("SLURMD_NODENAME") == node)

        seeds = self._recorded(node)
        kill(lambda: find(on_node, seeds))
        self._reap()
        if noticed:
            self._fail(node, "killed")

    def _write(self) -> None:
        """Write everything that the programs read."""
        paths, settings, user = self.paths, self.settings, getpass.getuser()
        for folder in (paths.pids, paths.logs, paths.programs, paths.state, *map(paths.spool, self.nodes)):
            folder.mkdir(parents=True)
        for node in self.nodes:
            for index in range(settings.gpus_per_node):
                device = paths.gpu(node, index)
                device.parent.mkdir(parents=True, exist_ok=True)
                device.symlink_to("/dev/null")  # a regular file would do, but then jobs are told of no GPU
        paths.record.write_text(json.dumps({"settings": asdict(settings), "ports": self.ports, "lasting": self.lasting}))
        paths.slurm_conf.write_text(slurm_conf(settings, paths, self.ports, user))
        (paths.folder / "gres.conf").write_text(gres_conf(settings, paths))
        (paths.folder / "cgroup.conf").write_text("")
        paths.munge_key.touch(mode=0o600)
        paths.munge_key.write_bytes(secrets.token_bytes(64))
        if settings.accounting:
            slurmdbd = paths.folder / "slurmdbd.conf"
            slurmdbd.touch(mode=0o600)  # slurmdbd reads no other
            slurmdbd.write_text(slurmdbd_conf(paths, self.ports["slurmdbd"], user))
        elif settings.sacct:
            (paths.programs / "sacct").write_text(SACCT)
            (paths.programs / "sacct").chmod(0o755)

    def _spawn(self, name: str, command: Sequence[str], **env: str) -> None:
        """Start a daemon that outlives its starter, and record its process."""
        program = shutil.which(command[0], path=search_path()) or command[0]
        # In this order: slurmstepd writes its title over its environment, up to SLURM_CONF.
        marks = {"PATH": search_path(), "SLURM_CONF": str(self.paths.slurm_conf), BOX: str(self.folder)}
        with (self.paths.logs / f"{name}{OUTPUT}").open("ab") as log:
            child = subprocess.Popen(
                [program, *command[1:]],
                env=_foreign_environment() | marks | env,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._children[name] = child
        (self.paths.pids / name).write_text(f"{child.pid} {start_ticks(child.pid)}\n")

    def _fail(self, node: str, reason: str) -> None:
        """Tell Slurm that a node failed."""
        self.run("scontrol", "update", f"NodeName={node}", "State=DOWN", f"Reason={reason}")

    def _spawn_slurmd(self, node: str, hidden: str | os.PathLike[str] | None = None) -> None:
        command = ["slurmd", "-D", "-f", str(self.paths.slurm_conf), "-N", node]
        if hidden := hidden or self.settings.hidden.get(node):
            command = _hiding(str(hidden), command)
        self._spawn(node, command, **{BOX_NODE: node})

    def _start_guard(self) -> None:
        """Have a process stop the cluster when this one is gone."""
        if not self.lasting:
            self._spawn("guard", [sys.executable, __file__, "guard", str(self.folder), str(os.getpid())])

    def _start_munged(self) -> None:
        paths = self.paths
        options = {"socket": paths.munge_socket, "key-file": paths.munge_key, "pid-file": paths.folder / "munged.pid"}
        options |= {"seed-file": paths.folder / "munge.seed"}
        # Forced, since its socket lies where no other user comes, which it takes for an oversight.
        self._spawn("munged", ["munged", "--foreground", "--force", *(f"--{name}={path}" for name, path in options.items())])
        self._wait_for_start(paths.munge_socket.exists, lambda: "munged did not start")

    def _start_accounting(self) -> None:
        """Start a database, and slurmdbd on it."""
        paths = self.paths
        paths.database.mkdir()
        options = {"user": getpass.getuser(), "datadir": paths.database, "socket": paths.database_socket}
        options |= {"pid-file": paths.folder / "mariadbd.pid", "innodb-flush-log-at-trx-commit": 0, "innodb-log-file-size": "8M"}
        # Without tables of rights, which take seconds to write: it listens on nothing but a socket where no other user comes.
        switches = ["--no-defaults", "--skip-grant-tables", "--skip-networking"]
        self._spawn("mariadbd", ["mariadbd", *switches, *(f"--{name}={value}" for name, value in options.items())])
        self._wait_for_start(paths.database_socket.exists, lambda: "mariadbd did not start")
        # It looks for its configuration beside SLURM_CONF.
        self._spawn("slurmdbd", ["slurmdbd", "-D"], MYSQL_UNIX_PORT=str(paths.database_socket))
        self._wait_for_port("slurmdbd")
        self.run("sacctmgr", "--immediate", "add", "cluster", CLUSTER_NAME)

    def _wait_for_port(self, name: str) -> None:
        self._wait_for_start(lambda: _answers(self.ports[name]), lambda: f"{name} did not start")

    def _wait_for_nodes(self, nodes: Iterable[str]) -> None:
        states: dict[str, str] = {}

        def usable() -> bool:
            states.update(self.node_states())
            return all(states.get(node) in USABLE for node in nodes)

        self._wait_for_start(usable, lambda: f"nodes cannot be used: {states}")

    def _wait_for_start(self, true: Callable[[], bool], otherwise: Callable[[], str]) -> None:
        """Wait until something is true; raise at once if a daemon has ended."""

        def true_or_hopeless() -> bool:
            if true():
                return True
            if ended := [name for name, child in self._children.items() if child.poll() is not None]:
                raise ClusterError(f"{otherwise()}: {', '.join(ended)} ended\n{self.log_tails()}")
            return False

        self._wait_until(true_or_hopeless, SECONDS_TO_START, otherwise)

    def _wait_until(self, true: Callable[[], bool], seconds: float, otherwise: Callable[[], str]) -> None:
        """Wait until something is true; raise if it does not become so."""
        deadline = time.monotonic() + seconds
        while not true():
            if time.monotonic() > deadline:
                raise ClusterError(f"{otherwise()} after {seconds:g} s\n{self.log_tails()}")
            time.sleep(POLL_SECONDS)

    def log_tails(self) -> str:
        """Return the last lines that each daemon wrote."""
        logs = {path.name: path for path in sorted(self.paths.logs.glob("*"))}
        # What a daemon of Slurm writes to its log it also prints; what it could not write there it only prints.
        logs = {
            name: path
            for name, path in logs.items()
            if name.removesuffix(OUTPUT) == name or name.removesuffix(OUTPUT) not in logs
        }
        tails = {name: path.read_text(errors="replace").splitlines()[-LOG_LINES:] for name, path in logs.items()}
        return "\n".join(f"--- {name}\n" + "\n".join(lines) for name, lines in tails.items() if lines)

    # Down

    def stop(self, grace_seconds: float = 2) -> None:
        """Stop it, and leave nothing: no process, no folder.

        Parameters
        ----------
        grace_seconds : float
            How long running jobs may take to end by themselves once they are told to, before all is killed.
        """
        if self._paths is None:
            return
        if grace_seconds and self._steps():
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.run("scancel", "--quiet", f"--user={getpass.getuser()}", check=False, timeout=grace_seconds)
            deadline = time.monotonic() + grace_seconds
            while self._steps() and time.monotonic() < deadline:
                time.sleep(POLL_SECONDS)
        kill(self.members)
        self._reap()
        for _ in range(3):  # what was written while it was removed
            shutil.rmtree(self.folder, ignore_errors=True)
        self._paths = None

    def members(self) -> list[Process]:
        """Return every process of the cluster: daemons, steps of jobs, and all that these started."""
        conf, folder = str(self.paths.slurm_conf), str(self.folder)

        def belongs(env: dict[str, str]) -> bool:
            # A shell of the user's, or a test, has SLURM_CONF too, but no job.
            return env.get(BOX) == folder or (env.get("SLURM_CONF") == conf and "SLURM_JOB_ID" in env)

        names = [path.name for path in self.paths.pids.iterdir()] if self.paths.pids.is_dir() else []
        return find(belongs, [process for name in names for process in self._recorded(name)])

    def _steps(self) -> list[Process]:
        """Return the processes of jobs and of those that watch over them."""
        conf = str(self.paths.slurm_conf)
        return find(lambda env: env.get("SLURM_CONF") == conf and "SLURM_JOB_ID" in env)

    def _recorded(self, name: str) -> list[Process]:
        """Return the process that a daemon was started as; none where it never was."""
        try:
            pid, ticks = (self.paths.pids / name).read_text().split()
            return [Process(int(pid), int(ticks))]
        except (OSError, ValueError):
            return []

    def _reap(self) -> None:
        """Take the exit codes of daemons that have ended; of one whose threads are still ending, there is none yet."""
        for name, child in list(self._children.items()):
            if child.poll() is not None or not alive(child.pid):
                child.kill()  # reaches the threads of one that hang
                child.wait(SECONDS_TO_DIE)
                del self._children[name]


def _foreign_environment() -> dict[str, str]:
    """Return our environment without what another cluster, or a job that we are in, put there."""
    ours = ("SLURM_", "SLURMD_", "SBATCH_", "SRUN_", "SALLOC_", "SACCT_", "SQUEUE_", "SINFO_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def _hiding(folder: str, command: Sequence[str]) -> list[str]:
    """Return a command that runs another in mounts of its own, with an empty folder over one."""
    if os.getuid() == 0:
        return ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none "$0" && exec "$@"', folder, *command]
    # Only root may mount, which everyone is in a user namespace of his own; in another one inside it he is himself again.
    himself = f"unshare --user --map-user={os.getuid()} --map-group={os.getgid()}"
    mount = f'mount -t tmpfs none "$0" && exec {himself} "$@"'
    return ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, folder, *command]


def _free_ports(names: Sequence[str]) -> dict[str, int]:
    """Return ports that nobody listens on."""
    ports: dict[str, int] = {}
    for port in random.sample(PORTS, len(PORTS)):
        if len(ports) == len(names):
            break
        with socket.socket() as trial, contextlib.suppress(OSError):
            trial.bind((ADDRESS, port))
            ports[names[len(ports)]] = port
    return ports


def _answers(port: int) -> bool:
    with socket.socket() as trial:
        return trial.connect_ex((ADDRESS, port)) == 0


# Command line


def clusters() -> list[Cluster]:
    """Return the lasting clusters of this user."""
    found = []
    for folder in sorted(SHORT.glob(f"{PREFIX}*")):
        with contextlib.suppress(OSError, ValueError):  # one that just comes or goes, or another user's
            if folder.stat().st_uid == os.getuid():
                found.append(Cluster.open(folder))
    return [cluster for cluster in found if cluster.lasting]


def guard(folder: Path, starter: int) -> None:
    """Stop a cluster when the process that started it is gone."""
    while os.getppid() == starter:
        time.sleep(GUARD_SECONDS)
    if Paths(folder).record.exists():
        Cluster.open(folder).stop(grace_seconds=0)


def assignment(text: str) -> tuple[str, str]:
    """Read NAME=VALUE."""
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    settings = Settings()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True, metavar="start|stop|run|packages")
    start = commands.add_parser("start", help="start one in the background; say how to use and to stop it")
    run = commands.add_parser("run", help="start one, run a command in it, stop it; ends with the command's exit code")
    for command in (start, run):
        command.add_argument("--nodes", type=int, default=settings.n_nodes, metavar="N", help="default: %(default)s")
        command.add_argument(
            "--gpus-per-node", type=int, default=settings.gpus_per_node, metavar="G", help="default: %(default)s"
        )
        command.add_argument("--cpus", type=int, default=settings.cpus, metavar="C", help="of each node; default: %(default)s")
        command.add_argument("--memory-mb", type=int, default=settings.memory_mb, metavar="M", help="default: %(default)s")
        command.add_argument("--accounting", action="store_true", help="with slurmdbd and a database")
        command.add_argument(
            "--set", type=assignment, action="append", default=[], metavar="KEY=VALUE", help="in slurm.conf; several are possible"
        )
        command.add_argument(
            "--partition",
            type=assignment,
            action="append",
            default=[],
            metavar="NAME=PARAMETERS",
            help="such as 'short=Nodes=n1'",
        )
    run.add_argument("words", nargs="+", metavar="COMMAND", help="what to run, after --")
    stop = commands.add_parser("stop", help="stop clusters, and leave nothing of them")
    stop.add_argument("folders", nargs="*", type=Path, metavar="FOLDER", help="default: the one of SLURM_CONF, or the only one")
    commands.add_parser("packages", help="print the packages of Debian that are missing here")
    guarding = commands.add_parser("guard")  # not for users
    guarding.add_argument("folder", type=Path)
    guarding.add_argument("starter", type=int)
    return parser


def usage(cluster: Cluster) -> str:
    """Say how to use a cluster."""
    settings, folder = cluster.settings, cluster.folder
    return f"""\
A Slurm cluster of {settings.n_nodes} nodes with {settings.gpus_per_node} GPUs each (which are none) runs in {folder}

    export SLURM_CONF={cluster.paths.slurm_conf} PATH={cluster.paths.programs}:$PATH
    sinfo -N -p gpu -o '%N %T %c CPUs %m MB %G'
    srun --partition gpu --gpus-per-node 2 --mem 100 printenv CUDA_VISIBLE_DEVICES
    .venv/bin/python jobs/launch_training.py --partition gpu --trainings-per-gpu 1 --config configs/demo.yaml name=box device=cpu

It stays until it is stopped:

    python3 tests/slurm/cluster.py stop {folder}    # or, if it is the only one: make cluster-stop"""


def main() -> int:
    """Do what the command line says, and return the exit code."""
    args = parser().parse_args()
    if args.command == "packages":
        print(*missing_packages(accounting=True))
    elif args.command == "guard":
        guard(args.folder, args.starter)
    elif args.command == "stop":
        return stop(args.folders)
    else:
        return bring_up(args)
    return 0


def stop(folders: Sequence[Path]) -> int:
    """Stop clusters: named ones, or the one that SLURM_CONF means, or the only one, but none of several by guessing."""
    if not folders and (conf := Path(os.environ.get("SLURM_CONF", ""))).parent.name.startswith(PREFIX):
        folders = [conf.parent]
    if not folders:
        folders = [cluster.folder for cluster in clusters()]
        if len(folders) > 1:
            print("several clusters run; name those to stop:", *folders, sep="\n  ", file=sys.stderr)
            return 2
    if wrong := [str(folder) for folder in folders if folder.exists() and not Paths(folder).record.is_file()]:
        print(f"no cluster's folder: {', '.join(wrong)}", file=sys.stderr)
        return 2
    for folder in (there := [folder for folder in folders if folder.exists()]):
        Cluster.open(folder).stop(grace_seconds=10)
        print(f"stopped {folder}")
    if not there:
        print("no cluster runs")
    return 0


def bring_up(args: argparse.Namespace) -> int:
    """Start a cluster that stays, or one for a single command."""
    settings: dict[str, Any] = {"n_nodes": args.nodes, "gpus_per_node": args.gpus_per_node, "cpus": args.cpus}
    settings |= {"memory_mb": args.memory_mb, "accounting": args.accounting}
    settings |= {"conf": dict(args.set), "partitions": dict(args.partition)}
    try:
        if args.command == "start":
            print(usage(Cluster(lasting=True, **settings).start()))
            return 0
        with Cluster(**settings) as cluster:
            return subprocess.run(args.words, env=cluster.env, check=False).returncode
    except MissingProgramsError as error:
        print(error, file=sys.stderr)
        return 2
    except ClusterError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
