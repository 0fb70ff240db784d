"""The options of a driver are read from what Slurm says of it, whatever its user wrote into its name or comment."""

from rlhpc.cluster import driver

JOB = """\
JobId=1 JobName=x Account=y
   UserId=me(1000) GroupId=me(1000) MCS_label=N/A
   Priority=4294901759 Nice=0 Account=lab QOS=(null)
   JobState=RUNNING Reason=None Dependency=(null)
   Requeue=0 Restarts=0 BatchFlag=1 Reboot=0 ExitCode=0:0
   RunTime=00:00:01 TimeLimit=00:07:00 TimeMin=N/A
   Partition=cpu AllocNode:Sid=localhost:20315
   ReqNodeList=(null) ExcNodeList=n2
   NodeList=n1
   NumNodes=1 NumCPUs=1 NumTasks=1 CPUs/Task=1 ReqB:S:C:T=0:0:*:*
   TRES=cpu=1,mem=100M,node=1,billing=1
   MinCPUsNode=1 MinMemoryNode=100M MinTmpDiskNode=0
   Features=(null) DelayBoot=00:00:00
   OverSubscribe=OK Contiguous=0 Licenses=(null) Network=(null)
   Command=/home/me/rlhpc/slurm/subset_search.sh TABLE Partition=gpu
   WorkDir=/home/me
   Comment= QOS=z Reservation=all
   StdOut=/home/me/slurm-1.out
   Power=
"""  # of Slurm 22.05.8, shortened


def test_options_of_a_job_are_spelled_for_sbatch():
    expected = ("--partition=cpu", "--account=lab", "--time=00:07:00", "--mem=100M", "--exclude=n2")
    assert driver.parse_options(JOB) == expected


def test_what_is_not_set_is_not_given():
    job = JOB.replace("=100M MinT", "=0 MinT").replace("00:07:00", "Partition_Limit").replace("QOS=(null)", "QOS=long")
    assert driver.parse_options(job) == ("--partition=cpu", "--account=lab", "--qos=long", "--exclude=n2")


def test_slurm_is_asked_for_the_job(monkeypatch):
    asked = []
    monkeypatch.setattr(driver, "ask", lambda *words: asked.append(words) or JOB)
    assert driver.read_options("7") == driver.parse_options(JOB)
    assert asked == [("scontrol", "show", "job", "7")]
