"""What is legal in Caxton: pure values, state tables and ports, without IO, clock or randomness."""

__version__ = "0.1.0"
