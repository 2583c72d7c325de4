"""What prove.py checks on a machine with a GPU, in this order: cheap questions first, and what others build on before them.

A check is one command. Its folder is an empty one in which the checks before it have worked; {json} is a file for its figures,
{bundle} the unpacked bundle, {tests} the folder of this file, {python} the Python that has torch. The programs of the bundle are
found by their names. A check has passed if its command ends with 0 and its figures are as `must` says; 77 means that it cannot run
here. Its figures are the JSON object in {json}, or the last line of its output that is one.
"""
import dataclasses


@dataclasses.dataclass(frozen=True)
class Check:
    name: str
    limit_s: float         # then all its processes are killed
    command: str
    answers: str           # what is known afterwards
    figures: tuple = ()    # the figures to keep; empty: all
    must: tuple = ()       # (figure, value) pairs
    gpu: bool = False      # the command would fail without a GPU; others say by 77 that there is none


TWO, FOUR = ("mpirun --oversubscribe --bind-to none -np 2", "mpirun --oversubscribe --bind-to none -np 4")
CONFIG = "--config {tests}/prove.yaml"
BENCH = f"vae_dist bench {CONFIG} --steps 500 --warm-up 15 --json {{json}} --overwrite distributed.device=cuda"
RIVAL = "{python} {bundle}/tests/bench/ddp_rival.py --data shapes.h5 --device cuda --backend nccl --in-memory --channels-last --fused --precision bf16 --steps 500"
UNITTEST = "{python} {tests}/run_on_gpu.py"
SPEED = ("samples_per_second", "step_seconds", "data_wait_seconds", "captured", "operations_per_second", "peak_operations_per_second", "peak_device_bytes_per_rank")
RIVALS_SPEED = ("samples_per_second", "step_seconds", "data_wait_seconds", "peak_device_bytes_per_rank", "loss")
CAPTURED, EAGER = (("captured", True),), (("captured", False),)

FIRST = [  # 530 s
    # Does the bundle work on this machine at all?
    Check("libraries", 16, "{python} {tests}/libraries.py {bundle} --read-seconds 8",
          "every library that a program loads is found; libraries are in the page cache, so that no later check waits for the disk"),
    Check("versions", 10, "{python} {tests}/versions.py", "GPU, driver, torch, CUDA, cuDNN, NCCL, C library, kernel, cores"),
    Check("data", 4, "vae_dist data make-shapes shapes.h5 --count 4096 --size 64 --channels 3", "HDF5 writes; later checks train on this file"),
    Check("cpu_np2", 10, f"{TWO} vae_dist bench {CONFIG} --steps 5 --warm-up 1 --json {{json}} --overwrite distributed.device=cpu model.hidden_dims=[8,16]",
          "Open MPI of the bundle starts two ranks that train on the CPU", ("ranks", "samples_per_second"), (("ranks", 2),)),

    # What hangs first, if anything does?
    Check("smoke", 40, f"{TWO} smoke",
          "seconds for each first thing: a stream that is not the default one, pinned memory, a CUDA graph, NCCL between two ranks on one GPU, the same in a graph"),

    # Is everything that one process does on a GPU correct?
    Check("gpu_test", 75, "{python} {tests}/rerun_after_crash.py --silence 30 gpu_test", "copies, late values, graphs, steps against the CPU and against eager steps"),

    # How fast is a step? 64 and 512 images of 64x64x3, captured as one CUDA graph and kernel by kernel.
    Check("bench_bf16_64_captured", 14, f"{BENCH} train.precision=bf16 train.global_batch=64 train.cuda_graph=true", "", SPEED, CAPTURED, True),
    Check("bench_bf16_512_captured", 14, f"{BENCH} train.precision=bf16 train.global_batch=512 train.cuda_graph=true", "", SPEED, CAPTURED, True),
    Check("bench_bf16_64_eager", 14, f"{BENCH} train.precision=bf16 train.global_batch=64 train.cuda_graph=false", "", SPEED, EAGER, True),
    Check("bench_bf16_512_eager", 14, f"{BENCH} train.precision=bf16 train.global_batch=512 train.cuda_graph=false", "", SPEED, EAGER, True),
    Check("bench_tf32_512_captured", 14, f"{BENCH} train.precision=tf32 train.global_batch=512 train.cuda_graph=true", "", SPEED, CAPTURED, True),

    # Do ranks sum correctly by NCCL, captured and not? (Polled calls are what training uses.)
    Check("nccl_np2_polled", 80, f"{TWO} nccl_ranks --gtest_filter=*/Polled:Step.* 2", "every collective, exchange and captured step of two ranks on one GPU"),

    # Do whole runs keep their promises?
    Check("same_bits_np1", 30, f"{UNITTEST} gpu_training_test CudaGraph.test_captured_eager_and_resumed_runs_of_one_rank_have_the_same_bits", "captured, eager and resumed runs end with the same bits"),
    Check("same_bits_np2", 40, f"{UNITTEST} gpu_training_test CudaGraph.test_captured_eager_and_resumed_runs_of_two_ranks_have_the_same_bits", "the same with two ranks"),

    # Where does the time of a step go?
    Check("profile", 13, f"vae_dist bench {CONFIG} --steps 50 --profile --json {{json}} --overwrite distributed.device=cuda train.precision=bf16 train.global_batch=512",
          "seconds of each part of a step", ("parts_seconds",), (), True),
    Check("trace", 12, f"vae_dist bench {CONFIG} --steps 20 --trace {{out}}/trace.json --overwrite distributed.device=cuda train.precision=bf16 train.global_batch=512 train.cuda_graph=false",
          "three steps for Perfetto, beside the results", (), (), True),

    # How fast is the same in PyTorch?
    Check("rival_eager_512", 15, f"{RIVAL} --batch 512 --warm-up 15", "", RIVALS_SPEED, (), True),
    Check("rival_reduce_overhead_512", 35, f"{RIVAL} --batch 512 --warm-up 15 --compile reduce-overhead", "", RIVALS_SPEED, (), True),
    Check("rival_eager_64", 15, f"{RIVAL} --batch 64 --warm-up 15", "", RIVALS_SPEED, (), True),
    Check("rival_reduce_overhead_64", 35, f"{RIVAL} --batch 64 --warm-up 15 --compile reduce-overhead", "", RIVALS_SPEED, (), True),

    # Does a dead rank leave anything behind?
    Check("killed_rank", 30, f"{UNITTEST} gpu_failure_test LiveCommunicator.test_kill_of_the_second_rank_ends_all_and_the_run_goes_on_from_its_checkpoint",
          "SIGKILL of a rank ends the other, and the run goes on from its checkpoint"),
]

SECOND = [  # 530 s
    Check("data", 4, "vae_dist data make-shapes shapes.h5 --count 4096 --size 64 --channels 3", "later checks train on this file"),
    Check("nccl_np4_polled", 90, f"{FOUR} nccl_ranks --gtest_filter=*/Polled:Step.* 4", "every collective, exchange and captured step of four ranks on one GPU"),
    Check("nccl_np2_blocking", 60, f"{TWO} nccl_ranks --gtest_filter=*/Blocking 2", "the same collectives by NCCL's blocking calls"),
    Check("nccl_issue", 30, f"{TWO} bench_nccl_issue", "which of the two kinds of call costs the host less"),
    Check("sync_batch_norm", 90, f"{UNITTEST} gpu_training_test WorldSize.test_sync_batch_norm_is_one_process_with_the_whole_batch", "statistics over two ranks are those of the whole batch, in fp64 and fp32"),
    Check("fp64", 40, f"{UNITTEST} gpu_training_test WorldSize.test_the_gpu_trains_what_the_cpu_trains", "the GPU trains what the CPU trains"),
    Check("local_batch_norm", 60, f"{UNITTEST} gpu_training_test WorldSize.test_two_ranks_with_local_batch_norm_train_what_one_trains", "two ranks train what one trains, in fp64 and fp32"),
    Check("what_a_run_says", 66, f"{UNITTEST} gpu_training_test Start CudaGraph.test_a_run_says_whether_its_step_is_captured CudaGraph.test_a_run_that_cannot_capture_says_why_and_trains_all_the_same",
          "the start table names the GPU; a run says whether its step is a graph"),
    Check("killed_first_rank", 30, f"{UNITTEST} gpu_failure_test LiveCommunicator.test_kill_of_the_first_rank_ends_all_and_the_run_goes_on_from_its_checkpoint", "SIGKILL of rank 0"),
    Check("stopped_rank", 30, f"{UNITTEST} gpu_failure_test LiveCommunicator.test_a_stopped_rank_is_named_and_all_are_gone", "SIGSTOP of a rank is named"),
    Check("terminated_rank", 30, f"{UNITTEST} gpu_failure_test LiveCommunicator.test_term_of_one_rank_ends_all_with_a_checkpoint", "SIGTERM of a rank makes a checkpoint"),
]
