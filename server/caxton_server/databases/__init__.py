"""What is done to a node's database beside the node: checked, rebuilt, backed up, restored, exported."""
