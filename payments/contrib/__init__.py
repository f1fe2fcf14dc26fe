"""What some shops want and others do not have; the engine imports nothing from here."""
