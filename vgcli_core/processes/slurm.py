"""What SLURM says to the processes of a job: which of how many this is, and where the first one is.

Variables are those of `srun` and `sbatch` (their manual pages, "OUTPUT ENVIRONMENT VARIABLES"). A batch script has
SLURM_PROCID too, and is one process alone: only what `srun` starts has SLURM_STEP_ID.
"""

import re
from collections.abc import Mapping

from vgcli_core.errors import UsageError

_FIRST_PORT, _PORTS = 15000, 15000  # below the ports that systems give out by themselves


def in_step(environment: Mapping[str, str]) -> bool:
    """Tell whether `srun` started this process."""
    return "SLURM_STEP_ID" in environment and "SLURM_PROCID" in environment


def tasks(environment: Mapping[str, str]) -> int:
    """Return the number of processes that `srun` started."""
    return _number(environment, "SLURM_STEP_NUM_TASKS", "SLURM_NTASKS")


def nodes(environment: Mapping[str, str]) -> int:
    """Return the number of machines."""
    if in_step(environment):
        return _number(environment, "SLURM_STEP_NUM_NODES", "SLURM_NNODES")
    return _number(environment, "SLURM_JOB_NUM_NODES", "SLURM_NNODES")


def node(environment: Mapping[str, str]) -> int:
    """Return which machine this is, from 0."""
    return int(environment.get("SLURM_NODEID", 0))


def master(environment: Mapping[str, str]) -> tuple[str, int]:
    """Return host and port where the processes meet; variables that the user has set win."""
    hosts = environment.get("SLURM_STEP_NODELIST") or environment.get("SLURM_JOB_NODELIST") or "127.0.0.1"
    port = _FIRST_PORT + int(environment.get("SLURM_JOB_ID", 0)) % _PORTS
    return environment.get("MASTER_ADDR", first_host(hosts)), int(environment.get("MASTER_PORT", port))


def world(environment: Mapping[str, str], gpus: int) -> dict[str, str]:
    """Return this process's place among all, as torchrun would say it.

    Args:
        environment: of this process.
        gpus: that it may use; one, where SLURM gives each process its own.

    Raises:
        UsageError: several processes would share a GPU.
    """
    counts = environment.get("SLURM_STEP_TASKS_PER_NODE") or environment.get("SLURM_TASKS_PER_NODE") or "1"
    here = tasks_of_node(counts, node(environment))
    if 1 < gpus < here:
        raise UsageError(
            f"SLURM started {here} processes on a machine with {gpus} GPUs for them",
            where="SLURM_TASKS_PER_NODE",
            fix=f"--ntasks-per-node={gpus}, or --ntasks-per-node=1: all GPUs are used then",
        )
    local = int(environment.get("SLURM_LOCALID", 0))
    host, port = master(environment)
    return {
        "RANK": environment["SLURM_PROCID"],
        "WORLD_SIZE": str(tasks(environment)),
        "LOCAL_RANK": str(local % gpus if gpus else local),
        "LOCAL_WORLD_SIZE": str(here),
        "MASTER_ADDR": host,
        "MASTER_PORT": str(port),
    }


def first_host(hosts: str) -> str:
    """Return the first host of a list: "node[01-03,7],gpu2" is node01, node02, node03, node7, gpu2."""
    # A comma inside brackets does not end a name.
    first = re.match(r"(?:[^,\[]|\[[^\]]*\])*", hosts)
    return re.sub(r"\[([^\],-]+)[^\]]*\]", r"\1", first[0] if first else hosts)


def tasks_of_node(counts: str, number: int) -> int:
    """Return how many tasks a node has by a list: "8(x2),4" is 8, 8, 4."""
    each: list[int] = []
    for count, times in re.findall(r"(\d+)(?:\(x(\d+)\))?", counts):
        each += [int(count)] * int(times or 1)
    return each[number] if number < len(each) else 1


def _number(environment: Mapping[str, str], *names: str) -> int:
    return next((int(environment[name]) for name in names if environment.get(name, "").isdecimal()), 1)
