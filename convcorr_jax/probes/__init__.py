"""Linear probes of what a network's description of a whole picture still knows of its parts."""
