"""How many ranks a start gets. Pure."""


def is_power_of_two(number):
    return number > 0 and number & (number - 1) == 0


def largest_world_size(slots, *, replicas=None, global_batch=None, reproducible=False):
    """The largest number of ranks, up to `slots`, that a run can have: it divides the run's replicas, and where these are not chosen yet (None: the
    first start makes them the number of ranks) it cuts the global batch into parts of two samples or more. A power of two where the run is to
    be reproducible. 0: none."""
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
