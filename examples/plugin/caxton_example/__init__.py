"""An example of a Caxton plugin: a protocol in `ping_pong`, a storage back-end in `json_lines`."""
