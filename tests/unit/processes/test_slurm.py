"""What SLURM's variables mean, for the forms that its manual shows."""

import pytest

from vgcli_core.errors import UsageError
from vgcli_core.processes import slurm

# The third of four tasks, two on each of two nodes.
STEP = {
    "SLURM_JOB_ID": "123456",
    "SLURM_STEP_ID": "0",
    "SLURM_PROCID": "2",
    "SLURM_LOCALID": "0",
    "SLURM_NODEID": "1",
    "SLURM_STEP_NUM_TASKS": "4",
    "SLURM_STEP_NUM_NODES": "2",
    "SLURM_STEP_TASKS_PER_NODE": "2(x2)",
    "SLURM_STEP_NODELIST": "node[03-04]",
}


@pytest.mark.parametrize(
    ("hosts", "first"),
    [
        ("node1", "node1"),
        ("node[01-03,7],gpu2", "node01"),
        ("node[7,9-12]", "node7"),
        ("gpu2,node[01-03]", "gpu2"),
        ("rack[2-3]-node[10-11]", "rack2-node10"),
        ("a-b[5].cluster.org,c", "a-b5.cluster.org"),
    ],
)
def test_the_first_host_of_a_list(hosts, first):
    assert slurm.first_host(hosts) == first


@pytest.mark.parametrize(("counts", "each"), [("8", [8]), ("8(x2),4", [8, 8, 4]), ("1,2(x3)", [1, 2, 2, 2]), ("", [1])])
def test_tasks_of_each_node(counts, each):
    assert [slurm.tasks_of_node(counts, number) for number in range(len(each))] == each


def test_a_task_finds_its_place_and_where_all_meet():
    assert slurm.world(STEP, gpus=2) == {
        "RANK": "2",
        "WORLD_SIZE": "4",
        "LOCAL_RANK": "0",
        "LOCAL_WORLD_SIZE": "2",
        "MASTER_ADDR": "node03",
        "MASTER_PORT": "18456",  # 15000 + 123456 % 15000
    }


@pytest.mark.parametrize(("gpus", "device"), [(0, "1"), (1, "0"), (2, "1")])
def test_the_number_of_its_gpu_counts_those_that_it_sees(gpus, device):
    assert slurm.world({**STEP, "SLURM_PROCID": "3", "SLURM_LOCALID": "1"}, gpus)["LOCAL_RANK"] == device


def test_processes_that_would_share_a_gpu_are_refused():
    with pytest.raises(UsageError, match="started 4 processes on a machine with 2 GPUs"):
        slurm.world({**STEP, "SLURM_STEP_TASKS_PER_NODE": "4"} | {"SLURM_NODEID": "0"}, gpus=2)


def test_what_the_user_has_set_wins():
    found = slurm.world({**STEP, "MASTER_ADDR": "10.0.0.1", "MASTER_PORT": "5"}, gpus=1)
    assert (found["MASTER_ADDR"], found["MASTER_PORT"]) == ("10.0.0.1", "5")


def test_a_batch_script_is_no_step():
    batch = {"SLURM_JOB_ID": "1", "SLURM_PROCID": "0", "SLURM_NTASKS": "8", "SLURM_JOB_NUM_NODES": "2"}
    assert not slurm.in_step(batch)
    assert (slurm.nodes(batch), slurm.tasks(batch)) == (2, 8)
    assert slurm.in_step(STEP)
    assert (slurm.nodes({}), slurm.tasks({})) == (1, 1)
