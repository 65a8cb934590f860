"""Our side of every case: the inputs, our call, the measure of quality, and the goals."""
