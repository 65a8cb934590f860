"""Benchmark of our functions against the packages a user would choose today, one hot path a case.

A comparison first checks that the outputs have equal quality, and only then measures speed. The peers are
installed in an environment of their own, by three commands:

    python3 -m venv .venv-peers
    .venv-peers/bin/pip install -r eval/benchmark/peers.txt
    .venv-peers/bin/pip install --no-deps pgmax==0.6.1   # its own list pulls in tensorflow and jupyter

Then run all cases, or some of them:

    python -m eval.benchmark --out runs/benchmark
    python -m eval.benchmark --cases sift features --peers-python path/to/another/python

Our functions run in this process, each peer in a process of its own (``workers/``) with the same arrays. Runs
alternate between the two, so that other load on the machine affects both. Both may use all cores. The first
call of each side, which includes compilation, is reported separately. It is followed by a warm-up and 3 to 25
timed runs; the result holds the median, minimum and quartiles of wall time and of processor time. A peer with
several possible configurations (memory layout, number of iterations) uses its fastest one.

If our output has lower quality than the peer's, no speed is measured. The load by other programs during the
runs is recorded, and a comparison with more than half a core of it is marked as not quiet. Losses are published
like wins; peers that are not installed are listed as skipped.

``cases/`` documents the inputs and the measure of quality of each comparison.
"""
