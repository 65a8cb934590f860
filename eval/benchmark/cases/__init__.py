"""Our side of every case: inputs, our call, the measure of equal quality, and what we want to reach."""
