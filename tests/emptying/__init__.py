"""An app of the test settings alone, for its `flush`."""
