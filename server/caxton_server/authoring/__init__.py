"""What an author of agents uses on their own machine: projects, compilers, and scripts that test an agent."""
