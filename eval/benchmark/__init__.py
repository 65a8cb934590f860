"""Ours against what a user would pick today, one hot path a case: equal quality first, then speed.

The peers live in an environment of their own, made once by three commands:

    python3 -m venv .venv-peers
    .venv-peers/bin/pip install -r eval/benchmark/peers.txt
    .venv-peers/bin/pip install --no-deps pgmax==0.6.1   # its own list pulls in tensorflow and jupyter

Then all cases, or some of them:

    python -m eval.benchmark --out runs/benchmark
    python -m eval.benchmark --cases sift features --peers-python path/to/another/python

How it measures. Ours runs in this process, a peer in a process of its own (``workers/``), fed the same
arrays; runs alternate ours, peer, ours, peer, so that whatever else the machine does disturbs both. Both
may use every core. Each side's first call, with its compilation, is told apart; then come a warm-up and 3
to 25 timed runs, of which the result holds median, least and quartiles, of wall and of processor time. A
peer that may be set up in several ways (memory layout, number of iterations) is given its fastest.

Before any of that the outputs are compared; where ours is not as good as the peer's, no speed is measured.
What other programs took of the processors meanwhile is recorded, and a comparison with more than half a
core taken is marked as not quiet. Losses are published like wins; peers that are not installed are named.

What is compared, with which input and by which measure of quality, is said in ``cases/``.
"""
