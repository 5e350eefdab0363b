"""Control groups through cgroupfs: the hierarchies (``layout``), one container (``group``)."""
