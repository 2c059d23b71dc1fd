"""From stored records to tables; no torch here."""
