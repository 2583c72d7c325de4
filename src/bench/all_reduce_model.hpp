// The time of an all-reduce as a function of its bytes and the number of ranks.
//
// A reduce-scatter and an all-gather by halving and doubling take 2 log2(p) messages and move 2
// (p-1)/p of the vector in and out of each rank (Thakur, Rabenseifner, Gropp 2005, "Optimization of
// collective communication operations in MPICH", section 4; a ring moves as much). Each message
// costs a latency, each byte a time. Where ranks share what moves the bytes (a node's memory and
// cores), all of them together, 2 (p-1) vectors, pass through it; a share m of them that its cache
// does not hold costs more. And where s > 1 ranks share a core, each message also waits for the s-1
// others to have had their turn on it (the overhead o of LogP: Culler et al. 1993). So
//   T = 2 ceil(log2 p) (a + (s-1) o)  +  2 (p-1)/p n b  +  2 (p-1) n (c + m d).
#pragma once

#include <vector>

namespace vae_dist::bench {

/// Of vectors of so many bytes (n) on each of so many ranks (p).
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
  double turn_seconds = 0;           ///< o: of another rank on the same core
  double byte_seconds = 0;           ///< b: of a rank's own link
  double shared_byte_seconds = 0;    ///< c: of what all ranks share
  double uncached_byte_seconds = 0;  ///< d: on top of c

  double seconds(const AllReduce& what) const;
};

/// The model whose relative errors have the least sum of squares, no term below 0. Throws
/// std::invalid_argument without a measurement.
AllReduceModel fit_all_reduce(const std::vector<AllReduceTime>& measured);

/// A cluster's links, as their makers state them.
struct Interconnect {
  int node_ranks = 8;                      ///< GPUs of a node
  double node_gbytes_per_second = 450;     ///< that a GPU sends to others of its node
  double network_gbytes_per_second = 400;  ///< that a node sends, all its adapters together
  double node_microseconds = 3, network_microseconds = 10;  ///< of a message, with NCCL's own work
};

/// Over nodes as NCCL does it: within the node each rank gets its part of the sum, the parts travel
/// between nodes, and are gathered within the node.
double all_reduce_seconds(const Interconnect& links, double bytes, int ranks);

/// A bucket is ready after so many seconds of backward.
struct ReadyBucket {
  double ready_seconds = 0, bytes = 0;
};

/// What backward, of `backward_seconds`, does not hide: buckets are summed one after the other,
/// each as soon as it is ready, in `seconds_of(bytes)`.
template <typename Seconds>
double exposed_seconds(const std::vector<ReadyBucket>& buckets, double backward_seconds,
                       Seconds seconds_of) {
  double done = 0;
  for (const ReadyBucket& bucket : buckets)
    done = (done > bucket.ready_seconds ? done : bucket.ready_seconds) + seconds_of(bucket.bytes);
  return done > backward_seconds ? done - backward_seconds : 0;
}

}  // namespace vae_dist::bench
