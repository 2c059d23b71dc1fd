"""Figures from stored records; no torch and no pyplot here."""
