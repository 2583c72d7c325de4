// The time of an all-reduce as a function of its bytes and the number of ranks.
//
// A reduce-scatter and an all-gather by halving and doubling take 2 log2(p) messages and move 2
// (p-1)/p of the vector in and out of each rank (Thakur, Rabenseifner, Gropp 2005, "Optimization of
// collective communication operations in MPICH", section 4; a ring moves as much). Each message
// costs a latency, each byte a transfer time. If ranks share the resource that moves the bytes (a
// node's memory and cores), all 2 (p-1) vectors pass through it, and the share m of them that its
// cache does not hold costs more. If s > 1 ranks share a core, each message also waits for the
// turns of the s-1 others on that core (the overhead o of LogP: Culler et al. 1993). So
//   T = 2 ceil(log2 p) (a + (s-1) o)  +  2 (p-1)/p n b  +  2 (p-1) n (c + m d).
#pragma once

#include <vector>

namespace vae_dist::bench {

/// An all-reduce of a vector of `bytes` (n) on each of `ranks` (p).
struct AllReduce {
  int ranks = 2;
  double bytes = 0;
  double ranks_per_core = 1;  ///< s, at least 1
  double uncached = 0;        ///< m, from 0 to 1
};

struct AllReduceTime : AllReduce {
  double seconds = 0;
};

struct AllReduceModel {
  double message_seconds = 0;        ///< a
  double turn_seconds = 0;           ///< o: turn of another rank on the same core
  double byte_seconds = 0;           ///< b: on a rank's own link
  double shared_byte_seconds = 0;    ///< c: on the resource that all ranks share
  double uncached_byte_seconds = 0;  ///< d: in addition to c

  double seconds(const AllReduce& what) const;
};

/// Returns the model with the least sum of squared relative errors and no term below 0. Throws
/// std::invalid_argument if there is no measurement.
AllReduceModel fit_all_reduce(const std::vector<AllReduceTime>& measured);

/// The links of a cluster, as specified by their makers.
struct Interconnect {
  int node_ranks = 8;                      ///< GPUs per node
  double node_gbytes_per_second = 450;     ///< from a GPU to others of its node
  double network_gbytes_per_second = 400;  ///< from a node, over all its adapters together
  double node_microseconds = 3,
         network_microseconds = 10;  ///< per message, including NCCL's own work
};

/// Returns the time of an all-reduce as NCCL does it: within the node, each rank gets its part of
/// the sum; the parts travel between nodes and are then gathered within the node.
double all_reduce_seconds(const Interconnect& links, double bytes, int ranks);

/// A bucket of gradients and the seconds of backward after which it is ready.
struct ReadyBucket {
  double ready_seconds = 0, bytes = 0;
};

/// Returns the exchange time that backward, of `backward_seconds`, does not hide. Buckets are
/// summed one after the other, each as soon as it is ready, in `seconds_of(bytes)`.
template <typename Seconds>
double exposed_seconds(const std::vector<ReadyBucket>& buckets, double backward_seconds,
                       Seconds seconds_of) {
  double done = 0;
  for (const ReadyBucket& bucket : buckets)
    done = (done > bucket.ready_seconds ? done : bucket.ready_seconds) + seconds_of(bucket.bytes);
  return done > backward_seconds ? done - backward_seconds : 0;
}

}  // namespace vae_dist::bench
