"""A launch: from a configuration to trainings that are under way, here or in the queue of a cluster."""
