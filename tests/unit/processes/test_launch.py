"""How a run starts, for every way in which it can be asked for; nothing is started here."""

import pytest

from tests.unit.processes.test_slurm import STEP
from vgcli_core.errors import ResourceError, UsageError, VgllmError
from vgcli_core.processes.launch import Launch, Machine, Wanted, plan_launch, worker_words

WORDS = ("train", "--recipe", "toy")
TORCHRUN = ("python", "-m", "torch.distributed.run")
TAIL = ("-m", "vgcli", *WORDS)
WORLD = {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "localhost"}


def plan(gpus: int = 0, environment: dict[str, str] | None = None, words=WORDS, cores: int = 16, **wanted) -> Launch:
    return plan_launch(Wanted(**wanted), words, Machine(environment or {}, gpus, cores, "python"))


@pytest.mark.parametrize(
    ("gpus", "wanted"), [(0, {}), (1, {}), (0, {"num_processes": 1}), (8, {"num_gpus": 1}), (8, {"device": "cpu"})]
)
def test_one_process_is_this_one(gpus, wanted):
    launch = plan(gpus, **wanted)
    assert (launch.how, launch.command) == ("here", ())


def test_a_run_on_the_cpu_does_not_see_gpus():
    assert plan(8, device="cpu").environment == {"CUDA_VISIBLE_DEVICES": ""}
    assert plan(8, num_processes=2).environment["CUDA_VISIBLE_DEVICES"] == ""
    assert plan(8).environment.keys() == {"OMP_NUM_THREADS", "PET_SIGNALS_TO_HANDLE"}


def test_deepspeed_gets_a_world_of_one_and_is_told_of_the_cpu():
    alone = plan(1, deepspeed=True).environment
    assert (alone["RANK"], alone["WORLD_SIZE"], alone["LOCAL_RANK"]) == ("0", "1", "0")
    assert "DS_ACCELERATOR" not in alone
    assert plan(0, deepspeed=True).environment["DS_ACCELERATOR"] == "cpu"


@pytest.mark.parametrize(
    ("gpus", "wanted", "count"), [(8, {}, 8), (8, {"num_gpus": 2}, 2), (0, {"num_processes": 2}, 2)]
)
def test_several_processes_are_started_by_torchrun(gpus, wanted, count):
    launch = plan(gpus, **wanted)
    assert launch.how == "command"
    assert launch.command == (*TORCHRUN, "--standalone", f"--nproc-per-node={count}", *TAIL)
    assert launch.processes == count


@pytest.mark.parametrize(
    ("cores", "processes", "given", "threads"), [(2, 2, {}, "1"), (16, 4, {}, "4"), (96, 2, {}, "8"), (1, 2, {}, "1")]
)
def test_threads_are_shared_out(cores, processes, given, threads):
    assert plan(cores=cores, num_processes=processes).environment["OMP_NUM_THREADS"] == threads


def test_threads_that_the_user_has_set_stay():
    assert "OMP_NUM_THREADS" not in plan(environment={"OMP_NUM_THREADS": "3"}, num_processes=2).environment


def test_several_machines():
    launch = plan(4, nodes=2, node_rank=1, master="node1")
    world = ("--nnodes=2", "--node-rank=1", "--master-addr=node1", "--master-port=29500")
    assert launch.command == (*TORCHRUN, *world, "--nproc-per-node=4", *TAIL)
    assert "--master-port=7" in plan(4, nodes=2, node_rank=0, master="node1:7").command
    assert plan(0, nodes=1).how == "here"


def test_a_worker_of_torchrun_only_works():
    assert plan(2, WORLD).how == "worker"
    assert plan(2, {**WORLD, **STEP}).how == "worker"


def test_a_world_without_a_place_on_the_machine_is_no_world():
    """Some clusters set these for the machines, not for the processes on them."""
    machines = {"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "node1", "MASTER_PORT": "1"}
    assert plan(8, machines).how == "command"


def test_a_task_of_slurm_is_a_worker():
    launch = plan(1, STEP)
    assert launch.how == "worker"
    assert (launch.environment["RANK"], launch.environment["MASTER_ADDR"]) == ("2", "node03")


def test_slurm_with_one_task_for_each_machine_uses_all_their_gpus():
    step = {**STEP, "SLURM_PROCID": "1", "SLURM_STEP_NUM_TASKS": "2", "SLURM_STEP_TASKS_PER_NODE": "1(x2)"}
    world = ("--nnodes=2", "--node-rank=1", "--master-addr=node03", "--master-port=18456")
    assert plan(8, step).command == (*TORCHRUN, *world, "--nproc-per-node=8", *TAIL)
    assert "--nproc-per-node=4" in plan(8, step, num_gpus=4).command
    assert plan(1, step).how == "worker"


def test_a_batch_script_on_several_machines_is_told_to_use_srun():
    batch = {"SLURM_JOB_ID": "1", "SLURM_PROCID": "0", "SLURM_NTASKS": "2", "SLURM_JOB_NUM_NODES": "2"}
    with pytest.raises(UsageError, match="has 2 nodes") as refused:
        plan(8, batch)
    assert "srun vgllm" in refused.value.fix
    assert plan(8, batch, nodes=1).how == "command"
    assert plan(8, {**batch, "SLURM_JOB_NUM_NODES": "1"}).processes == 8


def test_an_accelerate_file_decides_alone(tmp_path):
    file = tmp_path / "own.yaml"
    file.write_text("num_processes: 2\n")
    launch = plan(8, accelerate=file)
    assert launch.command == ("python", "-m", "accelerate.commands.launch", "--config_file", str(file), *TAIL)
    assert plan(8, {"ACCELERATE_MIXED_PRECISION": "no"}).how == "here"  # what it starts is no launcher again
    with pytest.raises(UsageError, match="the file of --accelerate decides"):
        plan(8, accelerate=file, num_gpus=2)
    with pytest.raises(UsageError, match="no such file"):
        plan(8, accelerate=tmp_path / "missing.yaml")


@pytest.mark.parametrize(
    ("gpus", "environment", "wanted", "kind", "said"),
    [
        (0, {}, {"num_gpus": 1}, UsageError, "no CUDA device"),
        (2, {}, {"num_gpus": 3}, UsageError, "has 2 CUDA devices"),
        (0, {}, {"device": "cuda"}, ResourceError, "no CUDA device"),
        (8, {}, {"num_gpus": 2, "num_processes": 2}, UsageError, "exclude each other"),
        (8, {}, {"num_processes": 2, "device": "cuda"}, UsageError, "for the CPU"),
        (8, {}, {"num_gpus": 2, "device": "cpu"}, UsageError, "for GPUs"),
        (1, {}, {"nodes": 2, "master": "a"}, UsageError, "--node-rank is missing"),
        (1, {}, {"nodes": 2, "master": "a", "node_rank": 2}, UsageError, "2 is none of 2 nodes"),
        (1, {}, {"nodes": 2, "node_rank": 0}, UsageError, "--master-addr is missing"),
        (1, {}, {"nodes": 2, "node_rank": 0, "master": "a:b"}, UsageError, "no HOST or HOST:PORT"),
        (1, {}, {"nodes": 2, "node_rank": 0, "master": ":1"}, UsageError, "no HOST or HOST:PORT"),
        (1, {}, {"node_rank": 0}, UsageError, "go with --nodes"),
        (2, WORLD, {"num_gpus": 2}, UsageError, "torchrun or accelerate decides"),
        (2, STEP, {"nodes": 2}, UsageError, "srun decides"),
        (1, STEP, {"num_gpus": 1}, UsageError, "srun decides"),
    ],
)
def test_contradictions_are_refused(gpus, environment, wanted, kind, said):
    with pytest.raises(VgllmError, match=said) as refused:
        plan(gpus, environment, **wanted)
    assert type(refused.value) is kind
    assert refused.value.fix


def test_words_that_only_steer_are_dropped():
    words = "--debug train --num-gpus 2 --recipe toy --master-addr=a:1 --set num.gpus=1 --nodes 2 --accelerate f"
    assert " ".join(worker_words(words.split())) == "--debug train --recipe toy --set num.gpus=1"


def test_the_printed_command_is_complete_and_quoted():
    launch = Launch("command", {"A": "", "B": "1"}, ("python", "-m", "vgcli", "train", "--set", "data.x='a b'"))
    assert str(launch) == """A='' B=1 python -m vgcli train --set 'data.x='"'"'a b'"'"''"""
