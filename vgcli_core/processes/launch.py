"""How a run starts: in this process, as one of many that somebody else started, or by a command that starts them.

`plan_launch` only decides; `workers.py` runs the command. Worlds are described as torchrun describes them to its
workers: RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE, MASTER_ADDR, MASTER_PORT.
"""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from vgcli_core.errors import ResourceError, UsageError
from vgcli_core.processes import slurm

# Options that only say how to start; processes that have been started must not start more.
_STEERING = ("--num-gpus", "--num-processes", "--nodes", "--node-rank", "--master-addr", "--accelerate")
_WORLD = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR")
_PORT = 29500
# torchrun answers SIGTERM by killing its workers after 30 s, and would not survive SIGUSR1: saving is the workers' job.
# Its options have defaults in the environment, which older versions without this one ignore.
_AGENT = {"PET_SIGNALS_TO_HANDLE": "SIGHUP,SIGQUIT"}
_MOST_THREADS = 8
# DeepSpeed needs a world, even of one. Any free port: nobody else has to find it.
_ALONE = {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1"}
_ALONE |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked for; None where nothing was.

    Attributes:
        num_gpus: processes on this machine, each with a GPU.
        num_processes: processes on this machine's CPU.
        nodes, node_rank, master: machines, which of them this is, HOST or HOST:PORT of the first.
        accelerate: the user's own configuration of `accelerate launch`.
        device: auto, cpu or cuda.
        deepspeed: the run uses DeepSpeed, which needs a world even for one process.
    """

    num_gpus: int | None = None
    num_processes: int | None = None
    nodes: int | None = None
    node_rank: int | None = None
    master: str | None = None
    accelerate: Path | None = None
    device: str = "auto"
    deepspeed: bool = False

    @property
    def on_cpu(self) -> bool:
        """Whether the CPU was asked for."""
        return self.device == "cpu" or self.num_processes is not None


@dataclass(frozen=True, slots=True)
class Launch:
    """What to do.

    Attributes:
        how: here: run in this process. worker: the same, as one of several. command: run `command`.
        environment: variables to add, for this process or the command.
        command: program and arguments.
        processes: that the command starts on this machine; 0 where only the user's file knows.
    """

    how: Literal["here", "worker", "command"]
    environment: Mapping[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = ()
    processes: int = 1

    def __str__(self) -> str:
        """Return the command as it can be typed, with its variables."""
        variables = [f"{name}={shlex.quote(value)}" for name, value in self.environment.items()]
        return " ".join([*variables, shlex.join(self.command)])


@dataclass(frozen=True, slots=True)
class Machine:
    """Where this process runs.

    Attributes:
        environment: its variables.
        gpus: CUDA devices that it may use; need not be counted where the CPU is asked for.
        cores: of the CPU.
        python: the interpreter.
    """

    environment: Mapping[str, str]
    gpus: int
    cores: int
    python: str


def plan_launch(wanted: Wanted, words: Sequence[str], machine: Machine) -> Launch:
    """Decide how to start.

    Args:
        wanted: the options.
        words: what was typed after `vgllm`, for the processes that are started.
        machine: this one.

    Raises:
        UsageError: options contradict each other, the machine or the environment.
        ResourceError: CUDA is asked for and not there.
    """
    environment = machine.environment
    if all(name in environment for name in _WORLD):
        _refuse_steering(wanted, "torchrun or accelerate")
        return Launch("worker", _on_device(wanted, machine), processes=int(environment.get("LOCAL_WORLD_SIZE", 1)))
    if "ACCELERATE_MIXED_PRECISION" in environment:  # `accelerate launch` that starts one process
        return Launch("here", _on_device(wanted, machine))
    if slurm.in_step(environment) and slurm.tasks(environment) > 1:
        return _in_slurm(wanted, words, machine)
    if slurm.nodes(environment) > 1 and wanted.nodes is None and not slurm.in_step(environment):
        raise UsageError(
            f"this SLURM job has {slurm.nodes(environment)} nodes, and only this one would work",
            where="SLURM_JOB_NUM_NODES",
            fix="start it on all of them: srun vgllm ...; or ask for this one alone with --nodes 1",
        )
    if wanted.accelerate is not None:
        return _by_accelerate(wanted, words, machine)
    return _by_options(wanted, words, machine)


def worker_words(words: Sequence[str]) -> tuple[str, ...]:
    """Return the words of a command without those that only say how to start."""
    kept: list[str] = []
    rest = iter(words)
    for word in rest:
        if word in _STEERING:
            next(rest, None)
        elif word.split("=")[0] not in _STEERING:
            kept.append(word)
    return tuple(kept)


def _count(wanted: Wanted, gpus: int) -> int:
    """Return the number of processes on this machine."""
    if wanted.num_gpus is not None and wanted.num_processes is not None:
        raise UsageError(
            "--num-gpus and --num-processes exclude each other",
            where="--num-processes",
            fix="--num-gpus is for GPUs, --num-processes for the CPU",
        )
    if wanted.device == "cuda" and wanted.num_processes is not None:
        raise UsageError("--num-processes is for the CPU", where="--device cuda", fix="use --num-gpus")
    if wanted.device == "cpu" and wanted.num_gpus is not None:
        raise UsageError("--num-gpus is for GPUs", where="--device cpu", fix="use --num-processes")
    if wanted.device == "cuda" and gpus == 0:
        raise ResourceError("this machine has no CUDA device", where="--device cuda", fix="use --device cpu or auto")
    if wanted.num_gpus is not None and wanted.num_gpus > gpus:
        raise UsageError(
            f"this machine has {gpus} CUDA devices" if gpus else "this machine has no CUDA device",
            where=f"--num-gpus {wanted.num_gpus}",
            fix=f"ask for at most {gpus}" if gpus else "leave --num-gpus out: the CPU works, slowly",
        )
    if wanted.on_cpu or not gpus:
        return wanted.num_processes or 1
    return wanted.num_gpus or gpus


def _by_options(wanted: Wanted, words: Sequence[str], machine: Machine) -> Launch:
    count = _count(wanted, machine.gpus)
    if wanted.nodes is None and (wanted.node_rank is not None or wanted.master is not None):
        raise UsageError("--node-rank and --master-addr go with --nodes", where="--nodes", fix="say how many machines")
    if wanted.nodes is not None and wanted.nodes > 1:
        host, port = _master(wanted)
        return _by_torchrun(wanted, words, machine, count, _nodes(wanted.nodes, _node_rank(wanted), host, port))
    if count > 1:
        return _by_torchrun(wanted, words, machine, count, ("--standalone",))
    return Launch("here", _on_device(wanted, machine) | (_ALONE if wanted.deepspeed else {}))


def _on_device(wanted: Wanted, machine: Machine) -> dict[str, str]:
    """Return the variables that keep GPUs out of a run on the CPU."""
    if not wanted.on_cpu and machine.gpus:
        return {}
    hidden = {"CUDA_VISIBLE_DEVICES": ""} if wanted.on_cpu else {}
    return hidden | ({"DS_ACCELERATOR": "cpu"} if wanted.deepspeed else {})


def _node_rank(wanted: Wanted) -> int:
    if wanted.node_rank is None or wanted.node_rank >= (wanted.nodes or 1):
        given = "is missing" if wanted.node_rank is None else f"{wanted.node_rank} is none of {wanted.nodes} nodes"
        raise UsageError(
            f"--node-rank {given}",
            where=f"--nodes {wanted.nodes}",
            fix=f"number them from 0 to {(wanted.nodes or 1) - 1}",
        )
    return wanted.node_rank


def _master(wanted: Wanted) -> tuple[str, int]:
    if not wanted.master:
        raise UsageError(
            "--master-addr is missing",
            where=f"--nodes {wanted.nodes}",
            fix="name the machine with --node-rank 0 by a name or address that all others reach: HOST or HOST:PORT",
        )
    host, _, port = wanted.master.partition(":")
    if not host or (port and not (port.isdecimal() and 0 < int(port) < 2**16)):
        raise UsageError(
            f"{wanted.master!r} is no HOST or HOST:PORT", where="--master-addr", fix="node1 or node1:29500"
        )
    return host, int(port) if port else _PORT


def _nodes(nodes: int, rank: int, host: str, port: int) -> tuple[str, ...]:
    return (f"--nnodes={nodes}", f"--node-rank={rank}", f"--master-addr={host}", f"--master-port={port}")


def _by_torchrun(wanted: Wanted, words: Sequence[str], machine: Machine, count: int, world: Sequence[str]) -> Launch:
    threads = {"OMP_NUM_THREADS": str(min(_MOST_THREADS, max(1, machine.cores // count)))}
    added = _AGENT | ({} if "OMP_NUM_THREADS" in machine.environment else threads) | _on_device(wanted, machine)
    torchrun = (machine.python, "-m", "torch.distributed.run", *world, f"--nproc-per-node={count}")
    return Launch("command", added, (*torchrun, "-m", "vgcli", *worker_words(words)), count)


def _by_accelerate(wanted: Wanted, words: Sequence[str], machine: Machine) -> Launch:
    """Leave everything to the user's file, which says how many processes there are."""
    _refuse_steering(replace(wanted, accelerate=None), "the file of --accelerate")
    if wanted.accelerate is None or not wanted.accelerate.is_file():
        raise UsageError(
            "there is no such file", where=f"--accelerate {wanted.accelerate}", fix="make one: accelerate config"
        )
    start = (machine.python, "-m", "accelerate.commands.launch", "--config_file", str(wanted.accelerate))
    added = _AGENT | _on_device(wanted, machine)
    return Launch("command", added, (*start, "-m", "vgcli", *worker_words(words)), processes=0)


def _in_slurm(wanted: Wanted, words: Sequence[str], machine: Machine) -> Launch:
    """Be the process that `srun` started; or, where it started one on each of several machines, use all their GPUs."""
    environment = machine.environment
    _refuse_steering(replace(wanted, num_gpus=None), "srun")
    nodes = slurm.nodes(environment)
    count = _count(wanted, machine.gpus)
    if slurm.tasks(environment) == nodes and count > 1:
        world = _nodes(nodes, slurm.node(environment), *slurm.master(environment))
        return _by_torchrun(wanted, words, machine, count, world)
    _refuse_steering(wanted, "srun")
    gpus = 0 if wanted.on_cpu else machine.gpus
    return Launch("worker", slurm.world(environment, gpus) | _on_device(wanted, machine))


def _refuse_steering(wanted: Wanted, who: str) -> None:
    given = (wanted.num_gpus, wanted.num_processes, wanted.nodes, wanted.node_rank, wanted.master, wanted.accelerate)
    for name, value in zip(_STEERING, given, strict=True):
        if value is not None:
            raise UsageError(f"{who} decides how many processes there are", where=name, fix="leave it out")
