"""The benchmark: workloads through a whole node, beside the same on bare queues."""
