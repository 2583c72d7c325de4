"""Chooses the cores of a rank: those of its GPU's NUMA node, shared with the other ranks there. Pure functions."""

LEAST_CORES = 2  # one thread computes, and others read data and exchange gradients


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


def places_of_ranks(local_size, gpu_places, nodes):
    """The place of each local rank: its GPU's cores or, without GPUs, a NUMA node's, with the nodes filled in order."""
    if gpu_places:
        return [gpu_places[rank % len(gpu_places)] for rank in range(local_size)]
    if not nodes:
        return [[]] * local_size
    return [nodes[rank * len(nodes) // local_size] for rank in range(local_size)]
