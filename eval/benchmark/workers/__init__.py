"""The peers' side: one module a peer, run by the peers' own Python, which need not have our packages."""
