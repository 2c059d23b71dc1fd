"""Where finished work lives: records, logits, weights, and who holds which cell."""
