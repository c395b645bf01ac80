"""What Caxton uses of the package that comes with peewee."""
