"""``config.json`` → checked model. Pure Python; reads the one file it is given and nothing else."""
