"""What is timed, against whom, and the recorded results (``results/cpu.json``, ``results/<gpu>.json``)."""
