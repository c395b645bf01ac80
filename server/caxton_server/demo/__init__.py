"""What the demo deploys: guests built from `examples/agents`, and job-shop instances."""
