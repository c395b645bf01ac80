"""The running node: router, scheduler, conversations, timers and journal."""
