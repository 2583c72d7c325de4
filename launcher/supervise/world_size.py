"""Computes how many ranks a start gets. Pure functions."""


def is_power_of_two(number):
    return number > 0 and number & (number - 1) == 0


def largest_world_size(slots, *, replicas=None, global_batch=None, reproducible=False):
    """The largest number of ranks, up to `slots`, that suits a run, or 0 if there is none. It must divide the number of replicas. If that is not
    chosen yet (None: it becomes the number of ranks of the first start), it must divide the global batch into parts of at least two samples. A
    reproducible run needs a power of two."""
    for np in range(slots, 0, -1):
        if reproducible and not is_power_of_two(np):
            continue
        if replicas:
            fits = replicas % np == 0
        else:
            fits = global_batch is None or (global_batch % np == 0 and global_batch // np >= 2)
        if fits:
            return np
    return 0
