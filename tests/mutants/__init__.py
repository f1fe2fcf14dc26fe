"""Guards broken on purpose, one at a time, each with the tests that must notice: `make mutants`."""
