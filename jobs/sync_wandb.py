# PYTHON_ARGCOMPLETE_OK
"""Send the offline Weights & Biases runs of logs/NAME, and fill in their links in scores.csv.

examples:
  python jobs/sync_wandb.py logs/thesis --dry-run
  python jobs/sync_wandb.py logs/thesis
  python jobs/sync_wandb.py logs/thesis --at-once 8

For a login node, or wherever there is a network and a key ('wandb login', or WANDB_API_KEY). Start it as often as you like: what
is sent is not sent again. The parts of one run, one for each start of a training that was continued, are sent oldest first.
Of trainings that are running, the part that is being written is left out. Ctrl-C ends it when the parts under way are sent.
One start at a time sends the runs of a folder; a second one is refused while the first lives.

A part that cannot be read to its end, such as that of a training that was killed, is sent as far as it goes, once; it is told
each time. wandb writes to the disk in blocks of 32 KB: what was not written yet when a training was killed is in no file.

wandb tells the link of a run while it sends. Of a run that was sent by hand, or by a start that was killed just then, it is not
known: the run is told each time, until you put its link into wandb_links.json in place of null.

files written into logs/NAME:
  wandb_links.json  the link of each run, null where it is not known; and the parts that cannot be read to their end
  lease.json        who is sending; gone when it has ended
  scores.csv        if it is there: links in the empty cells of its column wandb_url; nothing else changes
  trainings/.../wandb/  wandb's own marks of what is sent

--json prints one object:
  folder         the folder given
  dry_run        true if nothing was tried
  to_send        {runs, parts, megabytes}, before anything was sent
  n_sent_before  number of parts that were sent already
  n_unfinished   number of parts that were left out, because their training is running
  sent           [{training, run_id, path, url}], now; url is null where the server told none
  failed         [{training, run_id, path, url, reason, command}]; command is what sends it by hand
  unreadable     the same, for parts that cannot be read to their end, also those of earlier starts
  without_link   [{training, run_id}] of runs that were sent while their link is not known
  n_waiting      number of parts that were not tried: an older part of their run failed, or the server answers no more
  fault          why the rest was not tried; blank if all was
  n_links        number of links written into scores.csv; null if there is none, or it is not as collect_scores.py wrote it
  links          path of wandb_links.json; null if there is none

exit codes: 0 all that can be read is sent, 1 something could not be sent, or the server cannot be reached, 2 no such folder, no
trainings in it, no key that the server takes, or another start is sending its runs
"""

from __future__ import annotations

import argparse
import sys

from tqdm import tqdm

from rlhpc import command
from rlhpc.errors import InputError
from rlhpc.files import writable_folder
from rlhpc.results.store import Store
from rlhpc.results.wandb_lease import SendingLease
from rlhpc.results.wandb_links import Links, fill_in, read_links
from rlhpc.results.wandb_program import Ending, Program
from rlhpc.results.wandb_report import SyncReport, data_of, describe, look
from rlhpc.results.wandb_runs import OfflineRun, offline_runs
from rlhpc.results.wandb_sync import Sending
from rlhpc.results.wrong_folder import refuse_without_trainings


def parser() -> argparse.ArgumentParser:
    """Build the command line."""
    built = command.parser(__doc__ or "")
    built.add_argument("folder", type=command.path, metavar="logs/NAME", help="the folder that holds trainings/")
    built.add_argument("--at-once", type=int, default=4, metavar="N", help="how many runs are sent at a time")
    built.add_argument("--dry-run", action="store_true", help="say what would be sent; ask no server, write nothing")
    return built


def main(args: argparse.Namespace) -> int:
    """Find, send, fill in the links, and report."""
    store = Store(args.folder)
    if args.at_once < 1:
        raise InputError(f"--at-once {args.at_once} is too small: give at least 1.")
    refuse_without_trainings(store)
    runs = offline_runs(store)
    if args.dry_run or not runs:
        report = look(args.folder, runs, read_links(store.root), dry_run=args.dry_run)
    else:
        report = _sent(args, store, runs)
    command.answer(args, data_of(report), describe(report))
    return 1 if report.fault or report.of(Ending.FAILED) else 0


def _sent(args: argparse.Namespace, store: Store, runs: tuple[OfflineRun, ...]) -> SyncReport:
    """Send what is to be sent, as the only start that does, and fill in the links."""
    writable_folder(store.root)
    command.end_as_on_interrupt()  # a part that is cut off would be sent twice, and the lease would be left
    with SendingLease(store.root, _say) as lease:
        links = read_links(store.root)
        report = look(args.folder, runs, links, dry_run=False)
        try:
            if report.to_send:
                _send(args, links, report, lease)
        finally:
            _fill_in(store, links, report)
        report.without_link = links.without_link(runs)
        links.reserve([run.run_id for run in report.without_link])  # where the user can give them
    return report


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def _send(args: argparse.Namespace, links: Links, report: SyncReport, lease: SendingLease) -> None:
    """Send, with a bar on a terminal."""
    program = Program()
    _say(program.ask())
    with tqdm(total=len(report.to_send), unit="part", disable=not sys.stderr.isatty(), dynamic_ncols=True) as bar:
        sending = Sending(program, links, args.at_once, lambda _: bar.update(), lease.check)
        sending.send(report.runs, _say)
    report.outcomes, report.fault = sending.outcomes, sending.fault
    report.unreadable += report.of(Ending.UNREADABLE)


def _fill_in(store: Store, links: Links, report: SyncReport) -> None:
    """Fill in the links of scores.csv, where there is one."""
    report.has_scores = store.scores.exists()
    if report.has_scores:
        report.n_links = fill_in(store.scores, links.of_results(store))


if __name__ == "__main__":
    command.main(parser(), main)
