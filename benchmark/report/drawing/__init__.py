"""What figures are drawn with; no torch and no pyplot here."""
