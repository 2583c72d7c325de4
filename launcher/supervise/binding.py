"""Which cores a rank runs on: those of the NUMA node that its GPU is attached to, shared with the other ranks there. Pure."""

LEAST_CORES = 2  # a rank computes in one thread, and others read data and exchange gradients


def share_of(cores, ranks, index):
    """The index-th of equal parts of `cores`, side by side; all of them where a part would be too small."""
    each = len(cores) // ranks
    return cores[index * each:(index + 1) * each] if each >= LEAST_CORES else cores


def cores_of_rank(allowed, places, local_rank):
    """`places[r]`: the cores beside what local rank r computes on (its GPU, or a NUMA node), [] where that is not known. `allowed`: the cores
    that this job may use. What is left of a place within `allowed` is shared by the ranks that have the same place; a rank without any
    may use all that is allowed."""
    def usable(place):
        return tuple(core for core in place if core in allowed)
    mine = usable(places[local_rank])
    if not mine:
        return sorted(allowed)
    beside = [rank for rank, place in enumerate(places) if usable(place) == mine]
    return list(share_of(mine, len(beside), beside.index(local_rank)))


def places_of_ranks(local_size, gpu_places, nodes):
    """The place of each local rank: of its GPU, or, without GPUs, NUMA nodes filled one after the other."""
    if gpu_places:
        return [gpu_places[rank % len(gpu_places)] for rank in range(local_size)]
    if not nodes:
        return [[]] * local_size
    return [nodes[rank * len(nodes) // local_size] for rank in range(local_size)]
