"""The peers' side: one module a peer, run by the peers' own Python, without our packages."""
