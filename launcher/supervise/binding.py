"""Chooses the cores of a rank: those of its GPU's NUMA node, shared with the other ranks there. Pure functions."""

import re

LEAST_CORES = 2  # one thread computes, and others read data and exchange gradients


def started_by_srun(environment):
    """Whether srun has started this rank. mpirun's ranks inherit the variables of Slurm, too."""
    return "OMPI_COMM_WORLD_LOCAL_RANK" not in environment and "SLURM_LOCALID" in environment


def place_on_node(environment):
    """(local rank, number of ranks on this node), as mpirun or srun tell them. KeyError without either."""
    if not started_by_srun(environment):
        return int(environment["OMPI_COMM_WORLD_LOCAL_RANK"]), int(environment["OMPI_COMM_WORLD_LOCAL_SIZE"])
    # "4(x2),3": four tasks on each of two nodes, then three.
    tasks = [int(count) for count, times in re.findall(r"(\d+)(?:\(x(\d+)\))?", environment["SLURM_STEP_TASKS_PER_NODE"]) for _ in range(int(times or 1))]
    return int(environment["SLURM_LOCALID"]), tasks[int(environment["SLURM_NODEID"])]


def share_of(cores, ranks, index):
    """The index-th of equal contiguous parts of `cores`, or all cores if a part would be too small."""
    each = len(cores) // ranks
    return cores[index * each:(index + 1) * each] if each >= LEAST_CORES else cores


def cores_of_rank(allowed, places, local_rank):
    """The cores of a local rank. `places[r]`: the cores local to rank r's GPU or NUMA node, [] if unknown. `allowed`: the cores that this job may
    use. Ranks with the same allowed cores in their place share them equally. A rank without any such core gets all allowed cores."""
    def usable(place):
        return tuple(core for core in place if core in allowed)
    mine = usable(places[local_rank])
    if not mine:
        return sorted(allowed)
    beside = [rank for rank, place in enumerate(places) if usable(place) == mine]
    return list(share_of(mine, len(beside), beside.index(local_rank)))


def undivided_cores(allowed, place):
    """The allowed cores of this place, or all of them. For srun, which gives each rank cores of its own (--cpus-per-task) or leaves all to all."""
    return cores_of_rank(allowed, [place], 0)


def places_of_ranks(local_size, gpu_places, nodes):
    """The place of each local rank: its GPU's cores or, without GPUs, a NUMA node's, with the nodes filled in order."""
    if gpu_places:
        return [gpu_places[rank % len(gpu_places)] for rank in range(local_size)]
    if not nodes:
        return [[]] * local_size
    return [nodes[rank * len(nodes) // local_size] for rank in range(local_size)]
