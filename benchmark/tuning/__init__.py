"""How values are chosen before a study: the same number of tries for every method.

Every method declares beside its hyper-parameters where each is looked for, and gets the same number
of tries, the declared defaults first (Gulrajani and Lopez-Paz, "In Search of Lost Domain
Generalization", ICLR 2021: the same number for every method, the baseline included; Dahl et al.,
"Benchmarking Neural Network Training Algorithms", 2023: quasi-random points of one declared space).
The learning rate that all methods share is chosen first, on the baseline. Mean accuracy on clean
validation images decides; what is not worse by more than a standard error and departs less from the
defaults is preferred. No test image takes part.
"""
