"""Storage back-ends: where the journal and the rows projected from it live."""
